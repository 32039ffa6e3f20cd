"""The whole venue as one value: markets, accounts, agents, nonces, block time, counters.

Promises: ids are unique and larger than 2**32, hashes follow from the seed so that a run can be repeated.
`signer` is whoever signed the action that is being carried out, None otherwise.
Never locks: the engine does.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Self

from local.hyperliquid.accounts import Account, Leverage
from local.hyperliquid.agents import AgentBook
from local.hyperliquid.config import VenueConfig
from local.hyperliquid.journal import Journal
from local.hyperliquid.market import Market
from local.hyperliquid.nonces import NonceBook

_FIRST_OID = 53_000_000_000
_FIRST_TID = 42_000_000_000_000
_DEFAULT_LEVERAGE = 20


@dataclass(slots=True)
class Venue:
    config: VenueConfig
    journal: Journal
    now_ms: int
    markets: list[Market]
    by_name: dict[str, Market]
    agents: AgentBook
    nonces: NonceBook
    accounts: dict[str, Account] = field(default_factory=dict)
    oids: int = _FIRST_OID
    tids: int = _FIRST_TID
    hashes: int = 0
    signer: str | None = None

    @classmethod
    def create(cls, config: VenueConfig, journal: Journal, now_ms: int) -> Self:
        markets = [
            Market(
                index,
                spec,
                spec.initial_mark,
                spec.initial_mark,
                [(now_ms, spec.initial_mark)],
                funding_rate=spec.funding_rate,
            )
            for index, spec in enumerate(config.markets)
        ]
        nonces = NonceBook()
        agents = AgentBook(config.switches, journal, nonces)
        return cls(config, journal, now_ms, markets, {m.name: m for m in markets}, agents, nonces)

    def next_oid(self) -> int:
        self.oids += 1
        return self.oids

    def next_tid(self) -> int:
        self.tids += 1
        return self.tids

    def next_hash(self) -> str:
        self.hashes += 1
        return "0x" + hashlib.sha256(f"{self.config.seed}:{self.hashes}".encode()).hexdigest()

    def account(self, address: str) -> Account | None:
        return self.accounts.get(address.lower())

    def ensure_account(self, address: str) -> Account:
        return self.accounts.setdefault(address.lower(), Account(address.lower()))

    def leverage(self, account: Account, market: Market) -> Leverage:
        """The account's setting for a market; before the first change cross at 20, or what is allowed."""
        chosen = account.leverage.get(market.name)
        if chosen is not None:
            return chosen
        value = min(_DEFAULT_LEVERAGE, market.spec.max_leverage)
        return Leverage("isolated" if market.spec.only_isolated else "cross", value)

    def note(self, kind: str, **fields: object) -> None:
        self.journal.write(kind, self.now_ms, **fields)
