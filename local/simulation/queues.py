"""SQS standard queues in memory, on the virtual clock: a model, with the figures that the template gives each queue.

Promises what SQS promises and no more: a message is delivered at least once, in any order, and comes again unless it was deleted
within its visibility timeout; after `maxReceiveCount` receives it goes to the dead-letter queue, from where `redrive` moves it back.
Bodies are what `Ring` writes, and a record is what Lambda would hand over.

A ring passes the same edges as one of `SqsDoorbell`. What SQS may do beyond that is asked of `mishaps`, for each message that is sent
and each that is received: see `Mishaps`.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import batched
from random import Random
from typing import Any, Protocol

from local.dispatcher.blueprint import QueueSpec
from outcry.runtime import edges
from outcry.runtime.clock import Clock
from outcry.runtime.edges import Edge
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.queues import Queue, Ring

BATCH = 10  # of one SendMessageBatch
DAYS_4_S = 345_600  # AWS's default retention


@dataclass(slots=True, eq=False)
class Letter:
    """One message: visible from `visible_at` on, forgotten at `gone_at`, and received `receives` times so far.

    Twins share their `message_id`.
    """

    queue: Queue
    number: int
    message_id: str
    body: str
    visible_at: datetime
    gone_at: datetime
    receives: int = 0

    def record(self) -> dict[str, Any]:
        """What Lambda hands to a function of it."""
        return {
            "messageId": self.message_id,
            "body": self.body,
            "attributes": {"ApproximateReceiveCount": str(self.receives)},
        }

    @property
    def row(self) -> str:
        """The id of the row that it is about, empty where it is no doorbell."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return ""
        return str(found.get("id", "")) if isinstance(found, dict) else ""


class Mishaps(Protocol):
    """What the queue service does beyond its plain work. Each answer is drawn from the seed."""

    def twins(self, queue: Queue) -> int:
        """How many copies of a message that is sent are kept besides itself."""
        ...

    def lateness_s(self, queue: Queue) -> float:
        """By how many seconds a message that is sent is seen later than it should."""
        ...

    def refuses(self, queue: Queue) -> bool | None:
        """Whether a ring fails: None for no, else whether its messages are kept all the same."""
        ...


class NoMishaps:
    """A queue service on its best day."""

    def twins(self, queue: Queue) -> int:
        return 0

    def lateness_s(self, queue: Queue) -> float:
        return 0.0

    def refuses(self, queue: Queue) -> bool | None:
        return None


@dataclass(slots=True)
class Queues:
    """All queues of the template. A `Doorbell` for whoever rings, and what Lambda's poller sees for whoever delivers."""

    specs: Sequence[QueueSpec]
    clock: Clock
    random: Random
    mishaps: Mishaps = field(default_factory=NoMishaps)
    sent: int = 0
    _waiting: dict[Queue, list[Letter]] = field(default_factory=dict)
    _dead: dict[Queue, list[Letter]] = field(default_factory=dict)
    _spec: dict[Queue, QueueSpec] = field(default_factory=dict)

    def __post_init__(self) -> None:
        by_name = {spec.name.removeprefix("outcry-"): spec for spec in self.specs}
        for queue in Queue:
            self._spec[queue] = by_name[queue.value]
            self._waiting[queue], self._dead[queue] = [], []

    # ─── ringing ────────────────────────────────────────────────────────────────────────────────────────────

    def ring(self, queue: Queue, rings: Iterable[Ring], *, delay_s: int = 0) -> None:
        """One message per ring, ten at a time. Raises InfrastructureError where the queue cannot be rung."""
        for chunk in batched(rings, BATCH, strict=False):
            edges.reached(Edge.BEFORE_SEND, f"queue {queue}")
            kept = self.mishaps.refuses(queue)
            if kept is not False:
                for ring in chunk:
                    self.put(queue, ring.body(), delay_s=delay_s)
            if kept is not None:
                raise InfrastructureError(f"queue {queue} cannot be rung")
            edges.reached(Edge.AFTER_REPLY, f"queue {queue}")

    def put(self, queue: Queue, body: str, *, delay_s: float = 0) -> Letter:
        """Send one body, whatever it says; returns the message."""
        letter = self._new(queue, body, f"m{self.sent + 1}", delay_s)
        for _ in range(self.mishaps.twins(queue)):
            self._new(queue, body, letter.message_id, delay_s)
        return letter

    def _new(self, queue: Queue, body: str, message_id: str, delay_s: float) -> Letter:
        self.sent += 1
        wait = timedelta(seconds=delay_s + self.mishaps.lateness_s(queue))
        now, kept_s = (
            self.clock.now(),
            int(self._spec[queue].attributes.get("MessageRetentionPeriod", DAYS_4_S)),
        )
        letter = Letter(queue, self.sent, message_id, body, now + wait, now + timedelta(seconds=kept_s))
        self._waiting[queue].append(letter)
        return letter

    # ─── delivering ─────────────────────────────────────────────────────────────────────────────────────────

    def visible(self, queue: Queue) -> list[Letter]:
        """The messages that could be received now, in the order in which they were sent."""
        now, waiting = self.clock.now(), self._waiting[queue]
        if any(letter.gone_at <= now for letter in waiting):
            waiting[:] = [letter for letter in waiting if letter.gone_at > now]
        return [letter for letter in waiting if letter.visible_at <= now]

    def receive(self, queue: Queue, most: int) -> list[Letter]:
        """Up to `most` visible messages, drawn in any order; each is invisible to others for the queue's timeout.

        What was received too often goes to the dead-letter queue instead.
        """
        found = self.visible(queue)
        chosen = found if len(found) <= 1 else self.random.sample(found, len(found))
        taken: list[Letter] = []
        for letter in chosen:
            if len(taken) == most:
                break
            if self.take(letter):
                taken.append(letter)
        return taken

    def take(self, letter: Letter) -> bool:
        """Receive this very message. False where it goes to the dead-letter queue instead."""
        spec = self._spec[letter.queue]
        if spec.max_receives is not None and letter.receives >= spec.max_receives:
            self._waiting[letter.queue].remove(letter)
            self._dead[letter.queue].append(letter)
            return False
        letter.receives += 1
        letter.visible_at = self.clock.now() + timedelta(seconds=spec.visibility_s)
        return True

    def delete(self, letter: Letter) -> None:
        """It is done with. A twin of it stays."""
        if letter in self._waiting[letter.queue]:
            self._waiting[letter.queue].remove(letter)

    def next_visible(self, queue: Queue) -> datetime | None:
        """When the queue has a message next, or has one since."""
        return min((letter.visible_at for letter in self._waiting[queue]), default=None)

    # ─── dead letters ───────────────────────────────────────────────────────────────────────────────────────

    def dead(self, queue: Queue) -> list[Letter]:
        """What lies in the queue's dead-letter queue."""
        return list(self._dead[queue])

    def redrive(self) -> int:
        """Move every dead letter back to its queue, as new, and return how many."""
        moved = 0
        for queue, letters in self._dead.items():
            for letter in letters:
                letter.receives, letter.visible_at = 0, self.clock.now()
                self._waiting[queue].append(letter)
                moved += 1
            letters.clear()
        return moved

    def waiting(self, *queues: Queue) -> int:
        """How many messages lie in these queues, visible or not."""
        return sum(len(self._waiting[queue]) for queue in queues)
