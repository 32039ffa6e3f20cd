"""What is traded under load: one agent for each account, one place for each account and market.

Promises: a place is entered and left on calls of one author, as a desk would; sizes are small beside the books, caps and funds, so
that nothing is refused but for what concurrency does.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from outcry.agents.model import Deployment
from outcry.runtime.side import Side
from outcry.signals.exit_rules import plan_exits
from outcry.signals.model import EntryPlan

AUTHOR = 1001
FUNDS_USD = 10_000_000
# those of the local venue with books deep enough
MARKETS = (
    *("BTC", "ETH", "SOL", "AVAX", "BNB", "LTC", "ATOM", "DYDX", "OP", "ARB", "DOGE", "INJ", "SUI", "kPEPE"),
    *("CRV", "LDO", "LINK", "WIF", "HYPE"),
)
_GOOD_FOR = timedelta(minutes=15)

_HEAD = f"""authors:
  - {{ username: caller, author_id: {AUTHOR} }}
agents:
"""
_AGENT = """  - id: {agent}
    name: Runner {number}
    follows: [{{ author: caller, weight: 100 }}]
    strategy:
      min_conviction: 0.1
      min_score: 0.1
      max_call_age: 15m
      evidence_window: 30m
      sides: [LONG, SHORT]
      venues: [hyperliquid]
      sizing: {{ risk_frac: 0.001%, min_stop_frac: 1%, max_leverage: 3, max_slippage_frac: 0.5%, max_chase_frac: 1% }}
      exits:
        stop_frac: 2%
        take_profits: [{{ at_frac: 3%, share: 50% }}]
        time_limit: 12h
        liquidation_buffer_frac: 0.5%
        follow_close_calls: true
"""
_ACCOUNT = """  - id: {account}
    venue: hyperliquid
    network: local
    address: "{address}"
    limits: {{ per_trade_usd: 5000, per_account_usd: 2000000, max_open_positions: 100 }}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one position can be at a time, and whose agent trades it."""

    number: int
    market: str

    @property
    def agent(self) -> str:
        return f"runner-{self.number}"

    @property
    def account(self) -> str:
        return f"live-{self.number}"

    @property
    def deployment(self) -> str:
        return f"runner-live-{self.number}"

    @property
    def address(self) -> str:
        """The account's owner at the venue."""
        return f"0x{self.number:040x}"


def places(accounts: int, markets: tuple[str, ...] = MARKETS) -> list[Place]:
    """Every place of so many accounts, market by market, so that neighbours are of different accounts."""
    return [Place(number, market) for market in markets for number in range(1, accounts + 1)]


def desk_text(accounts: int) -> str:
    """The desk file of so many accounts."""
    all_of_it = [Place(number, "") for number in range(1, accounts + 1)]
    agents = "".join(_AGENT.format(agent=each.agent, number=each.number) for each in all_of_it)
    owned = "".join(_ACCOUNT.format(account=each.account, address=each.address) for each in all_of_it)
    deployed = "".join(
        f"  - {{ id: {each.deployment}, agent: {each.agent}, account: {each.account} }}\n"
        for each in all_of_it
    )
    return f"{_HEAD}{agents}accounts:\n{owned}deployments:\n{deployed}"


def entry(place: Place, deployment: Deployment, *, signal_id: int, mark: Decimal, now: datetime) -> EntryPlan:
    """What the signals stage would hand to the ledger for a LONG call at this mark."""
    strategy = deployment.agent.strategy
    exits, _ = plan_exits(
        strategy.exits, side=Side.LONG, reference_price=mark, stated_stop=None, stated_targets=()
    )
    return EntryPlan(
        signal_id=signal_id,
        agent_id=place.agent,
        author_id=AUTHOR,
        market=place.market,
        side=Side.LONG,
        score=Decimal(1),
        reference_price=mark,
        stop_frac=strategy.exits.stop_frac,
        risk_frac=strategy.sizing.risk_frac,
        max_leverage=strategy.sizing.max_leverage,
        max_slippage_frac=strategy.sizing.max_slippage_frac,
        max_chase_frac=strategy.sizing.max_chase_frac,
        exits=exits,
        not_after=now + _GOOD_FOR,
    )
