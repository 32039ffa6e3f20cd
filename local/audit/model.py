"""What the auditor compares: the venue's journal on one side, the ledger's rows on the other. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

Place = tuple[str, str]  # an account's address, lower case, and a market
ZERO = Decimal(0)

_NEVER_FILLED = frozenset({"SKIPPED", "REJECTED", "CANCELLED", "EXPIRED"})


@dataclass(frozen=True, slots=True)
class VenueEvent:
    """One line of the venue's journal, in its own order."""

    seq: int
    time_ms: int
    kind: str
    fields: Mapping[str, Any]

    @property
    def place(self) -> Place:
        return str(self.fields.get("user", "")), str(self.fields.get("coin") or "")

    def number(self, name: str) -> Decimal:
        return Decimal(str(self.fields[name]))

    @property
    def signed_size(self) -> Decimal:
        """Of a fill: above zero bought."""
        return self.number("sz") if self.fields["side"] == "B" else -self.number("sz")

    @property
    def is_by_hand(self) -> bool:
        """Whether the account's owner made this fill elsewhere."""
        return self.fields.get("by") == "hand"

    @property
    def is_liquidation(self) -> bool:
        return bool(self.fields.get("liquidation"))


@dataclass(frozen=True, slots=True)
class LedgerAction:
    """A request that the ledger knows to have a client order id."""

    cloid: str
    order_id: str
    place: Place
    is_buy: bool


@dataclass(frozen=True, slots=True)
class LedgerOrder:
    """One order: which intent it is, what it asked for, and what it says became of it. Sizes are unsigned."""

    order_id: str
    kind: str
    deployment_id: str
    signal_id: int | None
    place: Place
    status: str
    position_id: str | None = None
    size: Decimal | None = None
    limit_price: Decimal | None = None
    filled_size: Decimal = ZERO
    created_ms: int = 0
    not_after_ms: int | None = None
    finished_ms: int | None = None
    is_canary: bool = False

    @property
    def says_it_never_filled(self) -> bool:
        return self.status in _NEVER_FILLED


@dataclass(frozen=True, slots=True)
class LedgerFill:
    """One recorded fill of a live account; `signed_size` is the part of it that is ours.

    `position_id` is None, or `is_quarantined` set, where the ledger takes it for nobody's.
    """

    fill_id: str
    place: Place
    signed_size: Decimal
    time_ms: int
    position_id: str | None
    is_quarantined: bool = False
    size: Decimal | None = None
    price: Decimal | None = None
    fee_usd: Decimal | None = None
    order_id: str | None = None
    recorded_ms: int = 0


@dataclass(frozen=True, slots=True)
class LedgerPosition:
    """One live position, as its row says; `signed_size` is what it holds, times are Unix milliseconds."""

    position_id: str
    place: Place
    is_owned: bool
    status: str
    signed_size: Decimal
    opened_ms: int
    realised_pnl_usd: Decimal | None
    is_long: bool = True
    fees_usd: Decimal = ZERO
    funding_usd: Decimal = ZERO
    created_ms: int = 0
    closed_ms: int | None = None

    @property
    def is_closed(self) -> bool:
        return self.status == "CLOSED"

    @property
    def is_abandoned(self) -> bool:
        """Whether the ledger gave it up as never filled."""
        return self.status == "ABANDONED"


@dataclass(frozen=True, slots=True)
class LedgerRequest:
    """One signed request as the table of actions has it: every kind of request, whatever became of it."""

    action_id: str
    order_id: str
    kind: str
    status: str
    signer: str
    nonce: int
    prepared_ms: int
    sent_ms: int | None = None
    answered_ms: int | None = None
    expires_ms: int | None = None
    cloid: str | None = None
    acked_size: Decimal | None = None
    digest: str | None = None  # of the bytes that are stored, as the venue's journal makes it; None: none are

    @property
    def is_placement(self) -> bool:
        return self.kind in {"place", "modify"}


@dataclass(frozen=True, slots=True)
class LedgerSigner:
    """A signer's row: its address, and the last nonce that it says it handed out."""

    address: str
    last_nonce: int


@dataclass(frozen=True, slots=True)
class LedgerReservation:
    """What one entry reserved. `notional_usd` is what is left of it, as an entry that is final keeps only what it filled."""

    order_id: str
    agent_id: str
    author_id: int | None
    notional_usd: Decimal
    reserved_ms: int
    released_ms: int | None


@dataclass(frozen=True, slots=True)
class LedgerFunding:
    """One funding payment that the ledger booked, above zero received."""

    place: Place
    position_id: str | None
    amount_usd: Decimal
    paid_ms: int


@dataclass(frozen=True, slots=True)
class LedgerControl:
    """A pause, flatten or halt over a scope, from when it was set to when it was lifted."""

    scope: str
    mode: str
    set_ms: int
    lifted_ms: int | None


@dataclass(frozen=True, slots=True)
class LedgerNotice:
    """What a person was told, as far as it says about what: its key names the row."""

    level: str
    key: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class LedgerWaiting:
    """A claimable row that is not done, or that was set aside."""

    table: str
    key: str
    status: str
    is_unfinished: bool
    due_ms: int | None
    claimed_until_ms: int | None
    quarantined_ms: int | None
    attempts: int
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Caps:
    """The limits of a deployment or an account in US dollars by name, as its row has them; absent: it does not bind."""

    usd: Mapping[str, Decimal]
    open_positions: int | None = None


@dataclass(frozen=True, slots=True)
class LedgerDesk:
    """Who trades for whom: of each deployment its agent, its account, its caps; of each account its address and caps."""

    deployments: Mapping[str, tuple[str, str, Caps]] = field(default_factory=dict)
    accounts: Mapping[str, tuple[str, Caps]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger as SQL shows it, live accounts only; paper is counted apart."""

    addresses: frozenset[str]
    actions: tuple[LedgerAction, ...] = ()
    orders: tuple[LedgerOrder, ...] = ()
    fills: tuple[LedgerFill, ...] = ()
    positions: tuple[LedgerPosition, ...] = ()
    paper_positions: int = 0
    paper_fills: int = 0
    requests: tuple[LedgerRequest, ...] = ()
    signers: tuple[LedgerSigner, ...] = ()
    reservations: tuple[LedgerReservation, ...] = ()
    funding: tuple[LedgerFunding, ...] = ()
    controls: tuple[LedgerControl, ...] = ()
    notices: tuple[LedgerNotice, ...] = ()
    waiting: tuple[LedgerWaiting, ...] = ()
    claimable_rows: int = 0  # those that wait, and all that are done
    desk: LedgerDesk = LedgerDesk()

    def owned_fills(self) -> list[LedgerFill]:
        """The fills that the ledger stands by: attributed to a position that it owns and has not given up."""
        stood_by = {p.position_id for p in self.positions if p.is_owned and not p.is_abandoned}
        return [fill for fill in self.fills if fill.position_id in stood_by and not fill.is_quarantined]


@dataclass(frozen=True, slots=True)
class Checks:
    """The demo's five figures, each the worst seen after any venue event, and what stands behind them.

    `violations` are those of the `invariants`, which were judged on so many things (`judged`).
    """

    venue_fills_without_order: int
    orders_with_more_than_one_fill_set: int
    seconds_owned_without_venue_stop_max: float
    ledger_vs_venue_position_mismatch: Decimal
    pnl_vs_venue_difference_usd: Decimal
    findings: tuple[str, ...] = field(default=())
    paper_positions: int = 0
    paper_fills: int = 0
    audited_to: datetime | None = None
    invariants: int = 0
    judged: int = 0
    violations: tuple[str, ...] = ()

    @property
    def are_clean(self) -> bool:
        """Whether nothing was found: at most five seconds without a stop, and zero everywhere else."""
        return (
            self.venue_fills_without_order == 0
            and self.orders_with_more_than_one_fill_set == 0
            and self.seconds_owned_without_venue_stop_max <= LONGEST_UNPROTECTED_S
            and self.ledger_vs_venue_position_mismatch == 0
            and self.pnl_vs_venue_difference_usd == 0
            and not self.violations
        )


LONGEST_UNPROTECTED_S = 5.0
