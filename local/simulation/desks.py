"""The desks that simulations work with: accounts, agents that trade on them, and the authors whom they follow."""

AUTHORS = (1001, 1002, 1003)
MASTERS = tuple("0x" + digits * 20 for digits in ("a1", "b2", "c3"))
ACCOUNTS = ("live-1", "live-2", "live-3")

_AUTHORS = "\n".join(
    f"  - {{ username: caller_{number}, author_id: {author} }}" for number, author in enumerate(AUTHORS, 1)
)
_FOLLOWS = ", ".join(f"{{ author: caller_{number}, weight: 100 }}" for number in (1, 2, 3))
_AGENT = """
  - id: runner-{number}
    name: Runner {number}
    follows: [{follows}]
    strategy:
      min_conviction: 0.1
      min_score: 0.1
      max_call_age: 10m
      evidence_window: {window}
      sides: [LONG, SHORT]
      venues: [hyperliquid]
      sizing: {{ risk_frac: 0.5%, min_stop_frac: 1%, max_leverage: 5, max_slippage_frac: 0.5%, max_chase_frac: 1% }}
      exits:
        stop_frac: 2%
        take_profits: [{{ at_frac: 3%, share: 50% }}, {{ at_frac: 6%, share: 25% }}]
        trailing: {{ activation_frac: 2%, distance_frac: 1%, step_frac: 0.2% }}
        time_limit: {time_limit}
        liquidation_buffer_frac: 0.5%
        follow_close_calls: true
"""
_ACCOUNT = """
  - id: {name}
    venue: hyperliquid
    network: local
    address: "{master}"
    limits: {{ per_trade_usd: 2000, per_market_usd: 2500, per_account_usd: 4500, max_open_positions: 3 }}
"""


def desk(*, accounts: int = 1, evidence_window: str = "10m", time_limit: str = "12m") -> str:
    """A desk of one agent for each account; with three accounts, two agents share the third, so that places are fought for."""
    agents = "".join(
        _AGENT.format(number=number, follows=_FOLLOWS, window=evidence_window, time_limit=time_limit)
        for number in range(1, max(accounts, 2) + 1)
    )
    live = "".join(
        _ACCOUNT.format(name=name, master=master)
        for name, master in zip(ACCOUNTS[:accounts], MASTERS, strict=False)
    )
    deployments = "".join(
        f"  - {{ id: runner-{number}-{name}, agent: runner-{number}, account: {name} }}\n"
        for number, name in enumerate(ACCOUNTS[:accounts], 1)
    )
    shared = f"  - {{ id: runner-2-live-1, agent: runner-2, account: {ACCOUNTS[0]} }}\n"
    return f"authors:\n{_AUTHORS}\nagents:{agents}accounts:{live}deployments:\n{deployments}{shared}"
