"""What the authors of a rehearsal say, and what each of their posts must be read as. A test holds every text to that."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Said:
    """One post: by whom, in which words, and the call that it makes."""

    author: str
    text: str
    token: str
    side: str
    action: str


LONG_BTC = Said("anna_alpha", "LONG BTC 60k, SL 58.9k, 3x.", "BTC", "LONG", "OPEN")
LONG_ETH = Said("ben_beta", "LONG ETH 3000, SL 2940, TP 3300.", "ETH", "LONG", "OPEN")
SHORT_SOL = Said("anna_alpha", "SHORT SOL 150, SL 153, TP 135.", "SOL", "SHORT", "OPEN")
LONG_AVAX = Said("ben_beta", "LONG AVAX 30, SL 29.4, TP 33.", "AVAX", "LONG", "OPEN")
LONG_LINK = Said("anna_alpha", "LONG LINK 15, SL 14.7, TP 16.5.", "LINK", "LONG", "OPEN")
LONG_ARB = Said("ben_beta", "LONG ARB 1.00, SL 0.98, TP 1.10.", "ARB", "LONG", "OPEN")
CLOSE_SOL = Said("anna_alpha", "closing my SOL short", "SOL", "SHORT", "CLOSE")
ALL = (LONG_BTC, LONG_ETH, SHORT_SOL, LONG_AVAX, LONG_LINK, LONG_ARB, CLOSE_SOL)
