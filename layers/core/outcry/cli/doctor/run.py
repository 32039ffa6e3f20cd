"""The list of what is looked at, and the way in which all of it is: each by itself, none for longer than it may take.

Promises: a check that fails, hangs or finds something never keeps another from being made; what it found before is kept; the
order of the answers is the order of the list. The database is asked first and by one connection, because others compare
what it says with the world.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from outcry.cli.doctor import cloud, desk, outside, venue
from outcry.cli.doctor.facts import Facts
from outcry.cli.doctor.finding import Check, Finding, Findings, Installation, bad
from outcry.runtime.errors import ConfigurationError, OutcryError

CHECKS: tuple[Check, ...] = (
    Check("controls", desk.controls, "see the finding about the database"),
    Check("heartbeats", desk.heartbeats, "see the finding about the database"),
    Check("canaries", desk.canaries, "see the finding about the database"),
    Check("versions", desk.versions, "see the finding about the database"),
    Check("queues", cloud.queues, "check the queues in the AWS console", timeout_s=40),
    Check("secrets", cloud.secrets, "check the secrets in the AWS console"),
    Check("signing key", cloud.signing_key, "check the key in the AWS console, and that you may describe it"),
    Check("functions", cloud.functions, "check the functions in the AWS console", timeout_s=40),
    Check("limits", cloud.limits, "see the Lambda quotas in the AWS console", timeout_s=40),
    Check("X", outside.x_access, "check the secret and X's status page"),
    Check("model", outside.model, "check the model's server"),
    Check("venue", venue.venue, "see the venue's status page; open positions keep their stops there"),
    Check("accounts", venue.accounts, "see the venue's status page", timeout_s=60),
    Check("signers", venue.signers, "see the venue's status page", timeout_s=60),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A finding and the check that made it."""

    check: str
    finding: Finding


@dataclass(slots=True)
class _Run:
    """A check at work in a thread of its own, which ends with the process where it never comes back."""

    check: Check
    here: Installation
    findings: list[Finding] = field(default_factory=list)
    thread: threading.Thread | None = None

    def start(self) -> None:
        self.thread = threading.Thread(target=self._work, name=f"doctor {self.check.name}", daemon=True)
        self.thread.start()

    def _work(self) -> None:
        try:
            for finding in self.check.look(self.here):
                self.findings.append(finding)
        except ConfigurationError as error:
            self.findings.append(bad(self.check.name, str(error), error.fix))
        except OutcryError as error:
            self.findings.append(bad(self.check.name, " ".join(str(error).split()), self.check.if_it_fails))
        except Exception as error:  # noqa: BLE001 - the edge: what nobody foresaw must not hide what others find
            says = f"it could not be looked at: {type(error).__name__}"
            self.findings.append(bad(self.check.name, says, self.check.if_it_fails))

    def wait(self, deadline: float) -> list[Finding]:
        """What was found by the deadline, and that the rest was not, where it was not."""
        assert self.thread is not None, "it was started"
        self.thread.join(max(deadline - time.monotonic(), 0))
        if not self.thread.is_alive():
            return self.findings
        says = f"no answer within {self.check.timeout_s:.0f} s"
        return [*self.findings, bad(self.check.name, says, self.check.if_it_fails)]


def examine(here: Installation, checks: Sequence[Check] = CHECKS) -> Iterator[Found]:
    """Look at everything and say what was found, the database first."""
    told: list[Facts | None] = [None]

    def database(where: Installation) -> Findings:
        found, told[0] = desk.read(where)
        yield from found

    first = Check("database", database, "start it, or mend its address and its secret; then look again")
    yield from _all(here, [first])
    yield from _all(replace(here, facts=told[0]), checks)


def _all(here: Installation, checks: Sequence[Check]) -> Iterator[Found]:
    runs = [_Run(check, here) for check in checks]
    began = time.monotonic()
    for run in runs:
        run.start()
    for run in runs:
        for finding in run.wait(began + run.check.timeout_s):
            yield Found(run.check.name, finding)
