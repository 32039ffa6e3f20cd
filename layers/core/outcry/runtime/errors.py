"""Errors, typed by what the caller must do; DESIGN's failure contract in four classes.

A refusal is not an error: it is a `Reason` (see `reasons`) that is recorded and acknowledged.
Infrastructure errors are raised so that the queue retries. An ambiguous outcome is a value (`venues.port.Ambiguous`),
never an exception, because forgetting to catch it would lose an order. A bug quarantines the row it was found in.
"""


class OutcryError(Exception):
    """Root of all errors raised on purpose."""


class ConfigurationError(OutcryError):
    """A setting is missing or wrong. Nothing starts half-configured; the message names setting, value and fix."""

    def __init__(self, setting: str, value: object, fix: str) -> None:
        given = "is not set" if value is None else f"= {value!r} cannot be used"
        super().__init__(f"{setting} {given}: {fix}")
        self.setting = setting
        self.fix = fix


class InfrastructureError(OutcryError):
    """Something below us did not work (database, queue, a venue read). Raise it: the queue delivers again."""


class DatabaseUnavailable(InfrastructureError):
    """No connection to Postgres, or it died in the middle of work."""


class SignerRefused(InfrastructureError):
    """KMS refuses a signer's key until a person acts: it is disabled, to be deleted, gone, or not allowed to us. Nothing was signed."""


class SchemaMismatch(InfrastructureError):
    """The database's schema is older than this build needs, or marked as breaking for it."""


class VenueUnreachable(InfrastructureError):
    """A read from a venue gave no complete answer. Nothing may be concluded from it, least of all emptiness."""


class FeedUnavailable(InfrastructureError):
    """The post feed gave no complete answer; the checkpoint must not move."""


class FeedRefused(OutcryError):
    """The post feed refuses for a reason that a retry does not cure (credentials, credits): stop and raise an alarm."""


class ClassifierUnavailable(InfrastructureError):
    """The classifier gave no usable answer; the post stays unclassified. There is no fallback classifier."""


class BugError(OutcryError):
    """An impossible state or an unknown value from outside: quarantine the row, raise an alarm, guess nothing."""


class UnknownAnswer(BugError):
    """A venue's answer is not in the catalogue. Carries the raw body for the quarantine."""

    def __init__(self, what: str, raw: str) -> None:
        super().__init__(what)
        self.raw = raw
