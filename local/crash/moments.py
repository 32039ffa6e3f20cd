"""How the world gets to the moment before a scenario's invocations, and what people do in it.

Each is a few lines that the desk, the venue or a person could do; nothing of ours is called past its own entrances.
"""

import contextlib
from datetime import timedelta
from typing import Any

from local.crash.stage import ACCOUNT, AUTHOR, MASTER, WORKING, Hands, Invocation, Stage
from local.hyperliquid import in_process
from local.simulation.keys import KEY_ARN
from local.simulation.service import Environment
from outcry.controls import operate
from outcry.custody import keyring
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.queues import Queue
from outcry.venues.hyperliquid.venue import HyperliquidVenue

HOUR_S = 3605
SOON_OVER = timedelta(seconds=3)
_BUSY = '{"status":"err","response":"Only post-only orders allowed immediately after network upgrade"}'
_UNHEARD_OF = '{"status":"err","response":"The moon is in the wrong house"}'
PATIENCE_BEATS = 20  # for which people wait until they are told


# ─── moments before ──────────────────────────────────────────────────────────────────────────────────────────


def opened(stage: Stage) -> None:
    """The monitor has read what trades and at what price."""
    stage.world.invoke(stage.environment("tick"))
    stage.pump(Queue.TICKS_HYPERLIQUID)
    stage.beat()


def called(stage: Stage) -> None:
    """An entry is planned, and its doorbell waits."""
    opened(stage)
    stage.say("LONG BTC 60k, SL 58.9k")


def holding(stage: Stage) -> None:
    """A position is held and protected, and the monitor knows it."""
    called(stage)
    stage.settle()


def held_for_an_hour(stage: Stage) -> None:
    """A position is as old as its agent lets it become."""
    holding(stage)
    stage.wait(HOUR_S)
    stage.pump(Queue.TICKS_HYPERLIQUID)


def thin(stage: Stage) -> None:
    """There is less on offer than the entry asks for."""
    called(stage)
    stage.world.control("book", market="BTC", asks=[["60001", "0.01"]])


def bare(stage: Stage) -> None:
    """An entry was filled, and its stop refused for now: the stop's doorbell waits."""
    called(stage)
    _answers(stage, _BUSY, times=2, skip=1)
    stage.pump(*WORKING)


def grown(stage: Stage) -> None:
    """The feed lists one of an entry's two fills, the answer was lost: a stop rests over a part. Then the other fill is listed."""
    called(stage)
    stage.world.control("book", market="BTC", asks=[["60001", "0.01"], ["60002", "10"]])
    stage.world.control("fault", on="exchange", match={"type": "order"}, do="drop_after_commit", times=1)
    account = stage.world.engine.venue.ensure_account(MASTER)
    withheld: list[Any] = []

    def hold_back() -> None:
        while len(account.fills) > 1:
            withheld.append(account.fills.pop())

    stage.world.crew.hooks.append(lambda *_: hold_back())
    stage.pump(*WORKING)
    stage.wait(2)
    stage.pump(*WORKING)
    stage.world.crew.hooks.pop()
    account.fills.extend(reversed(withheld))


def ahead(stage: Stage) -> None:
    """The mark has run far enough for the trail to follow it."""
    holding(stage)
    stage.mark("61300")


def at_the_target(stage: Stage) -> None:
    """The venue has taken the first step of the profit."""
    holding(stage)
    stage.mark("61900")


def call_to_close(stage: Stage) -> None:
    """The author whose call is held takes it back."""
    holding(stage)
    stage.beat()
    stage.world.publish(AUTHOR, "Closing my BTC long here")
    stage.world.invoke(stage.environment("ingest_posts"))
    stage.pump(Queue.POSTS)


def call_for_the_opposite(stage: Stage) -> None:
    """The author whose call is held says the opposite."""
    holding(stage)
    stage.beat()
    stage.world.publish(AUTHOR, "SHORT BTC 60k, SL 61.2k")
    stage.world.invoke(stage.environment("ingest_posts"))
    stage.pump(Queue.POSTS)


def in_flight(stage: Stage) -> None:
    """An entry was filled, its answer lost and the order's status not told: nobody knows yet that something is held."""
    called(stage)
    stage.world.control("fault", on="exchange", match={"type": "order"}, do="drop_after_commit", times=1)
    stage.world.control("fault", on="info", match={"type": "orderStatus"}, do="status", status=502, times=2)
    stage.pump(*WORKING)


def foreign(stage: Stage) -> None:
    """The account's owner buys by hand in a market that we do not hold."""
    opened(stage)
    stage.world.control("trade_by_hand", user=MASTER, coin="ETH", is_buy=True, sz="1")


def closed_by_hand(stage: Stage) -> None:
    """The account's owner closes our position at the venue."""
    holding(stage)
    size = str(stage.size())
    stage.world.control("trade_by_hand", user=MASTER, coin="BTC", is_buy=False, sz=size, reduce_only=True)


def revoked(stage: Stage) -> None:
    """The signer's approval is taken back at the venue, and an exit of its position is due."""
    held_for_an_hour(stage)
    signer = stage.world.rows("select address from signers where status = 'ACTIVE'")[0]["address"]
    stage.world.control("agent_revoke", agent=signer)
    stage.full_minute()
    stage.world.invoke(stage.environment("tick"))
    stage.pump(Queue.TICKS_HYPERLIQUID)


def refused(stage: Stage) -> None:
    """The venue will refuse the entry in words that nobody knows."""
    called(stage)
    _answers(stage, _UNHEARD_OF, times=1)


def crossed(stage: Stage) -> None:
    """The mark has fallen through a stop that does not rest yet."""
    bare(stage)
    stage.mark("58000")


def too_late(stage: Stage) -> None:
    """The venue will refuse a stop for longer than a position may stand without one."""
    called(stage)
    _answers(stage, _BUSY, times=24, skip=1)
    stage.pump(*WORKING)
    while stage.world.rows("select 1 from positions where protect_by > :soon", soon=stage.now + SOON_OVER):
        stage.wait(2)
        stage.pump(*WORKING)


def beyond_the_target(stage: Stage) -> None:
    """The mark is beyond a step of the profit that does not rest yet."""
    bare(stage)
    stage.mark("61900")


def dismissed(stage: Stage) -> None:
    """A person has stopped the signer for good, and an exit of its position is due."""
    held_for_an_hour(stage)
    with stage.world.database.transaction() as tx:
        for signer in keyring.signers_of(tx, ACCOUNT):
            keyring.revoke_signer(tx, signer.signer_id, now=stage.now)
    stage.full_minute()
    stage.world.invoke(stage.environment("tick"))
    stage.pump(Queue.TICKS_HYPERLIQUID)


def frozen(stage: Stage) -> None:
    """Not one mark of the venue moves any more."""
    holding(stage)
    stage.stands_still = True
    for _ in range(3):
        stage.beat()


def unreadable(stage: Stage) -> None:
    """The venue answers about the account what nobody knows."""
    holding(stage)
    kind = {"type": "clearinghouseState"}
    stage.world.control("fault", on="info", match=kind, do="status", status=200, body='{"a": 1}', times=6)


def _answers(stage: Stage, body: str, *, times: int, skip: int = 0) -> None:
    """The venue answers orders with this, so many times, after it let some pass."""
    stage.world.control(
        "fault",
        on="exchange",
        match={"type": "order"},
        do="status",
        status=200,
        body=body,
        skip=skip,
        times=times,
    )


def moves_again(stage: Stage) -> None:
    """The marks move again."""
    stage.stands_still = False


def poisoned(stage: Stage) -> None:
    """An entry cannot be worked on at all, and its message comes for the last time."""
    called(stage)
    with stage.world.database.transaction() as tx:
        tx.execute("update orders set plan = '{}' where kind = 'enter'")
    for _ in range(3):
        letter = stage.next_letter((Queue.ENTRIES,))
        assert letter is not None
        stage.deliver(letter, stage.environment("execute_orders"))
        stage.wait(181)


def told(stage: Stage) -> None:
    """People have to be told something."""
    opened(stage)
    with stage.world.database.transaction() as tx:
        operate.pause(tx, "desk", "a look", "tester", stage.now)


# ─── what people do ──────────────────────────────────────────────────────────────────────────────────────────


def flattens(hands: Hands) -> None:
    """A person closes everything."""
    with hands.database.transaction() as tx:
        operate.flatten(tx, "desk", "out of everything", "tester", hands.clock.now())


def changes_signer(hands: Hands) -> None:
    """A person makes a signer in the second slot, approves it at the venue and lets it sign; what is done already is left."""
    database, clock = hands.database, hands.clock
    with contextlib.suppress(ConfigurationError):  # the slot is taken: by what was made before
        keyring.create_signer(database, hands.kms, ACCOUNT, 2, key_arn=KEY_ARN, clock=clock)
    with database.transaction() as tx:
        made = [each for each in keyring.signers_of(tx, ACCOUNT) if each.slot == 2][-1]
    hands.approve(made.address)
    if made.status.value == "CREATED":
        venue = HyperliquidVenue("local", in_process.URL, clock, session=in_process.session(hands.engine))
        keyring.activate_as_confirmed(database, venue, made.signer_id, master=MASTER, now=clock.now())


def new_signer(stage: Stage) -> None:
    """A person is told, and gives the account another signer."""
    for _ in range(PATIENCE_BEATS):
        if "signers" in stage.aftermath().topics():
            break
        stage.beat()
    stage.run(*by_hand(stage))


def by_hand(stage: Stage) -> tuple[Invocation, Environment]:
    """A person who changes the signer."""
    invocation = Invocation("person", does=changes_signer)
    return invocation, stage.cold(invocation)


def trades_with_it(stage: Stage) -> None:
    """The next call is traded."""
    stage.settle()
    stage.run(*by_hand(stage))
    stage.beat()
    stage.say("LONG BTC 60k, SL 58.9k")
