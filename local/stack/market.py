"""Prices and posts of a run: moves marks at the local venue, and lets authors publish on the local X.

Promises: one market moves by a tick every two seconds, so that the venue's feed is never taken for frozen; a post has the time at
which it is published; ids rise. While the venue is stopped nothing is moved, and nothing is raised about it.
"""

import contextlib
import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from local.servers import ask_venue, publish
from local.stack.texts import Said

PULSE_MARKET = "DOGE"
_PULSE_EVERY_S = 2.0
_PULSE = (Decimal("0.1000"), Decimal("0.1001"))
_FIRST_POST = 2_080_000_000_000_000_000
AUTHORS = {"anna_alpha": 920000000000000001, "ben_beta": 920000000000000002}


class Market:
    """Moves prices and publishes posts."""

    def __init__(self, venue_url: str, x_url: str) -> None:
        self._venue_url = venue_url
        self._x_url = x_url
        self._ids = itertools.count(_FIRST_POST)

    def mark(self, market: str, price: Decimal) -> None:
        """Set a market's mark; what it crosses at the venue is carried out there."""
        ask_venue(self._venue_url, "mark", {"market": market, "mark": str(price)})

    def post(self, said: Said) -> int:
        """Publish a post now, and give its id."""
        post_id = next(self._ids)
        publish(
            self._x_url,
            {
                "id": str(post_id),
                "author_username": said.author,
                "author_id": str(AUTHORS[said.author]),
                "created_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "text": said.text,
            },
        )
        return post_id

    @contextlib.contextmanager
    def pulse(self) -> Iterator[None]:
        """Keep one market moving for as long as the block runs."""
        stopped = threading.Event()

        def beat() -> None:
            for price in itertools.cycle(_PULSE):
                if stopped.wait(_PULSE_EVERY_S):
                    return
                with contextlib.suppress(OSError, RuntimeError):
                    self.mark(PULSE_MARKET, price)

        thread = threading.Thread(target=beat, name="pulse", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join(timeout=15)
