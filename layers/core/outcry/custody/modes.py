"""The ways in which a signer's key is kept.

ENVELOPE: the key is sealed in our database under a data key that KMS unwraps, and signs in memory.
KMS: the key is made in KMS and never leaves it; every signature is a request.
"""

from enum import StrEnum

from outcry.runtime.errors import ConfigurationError


class Custody(StrEnum):
    """How the key of one signer is kept, from its making to its end."""

    ENVELOPE = "envelope"
    KMS = "kms"


def custody_named(name: object) -> Custody:
    """The mode of that name. Raises ConfigurationError for any other: nothing is assumed about a key."""
    for mode in Custody:
        if mode.value == name:
            return mode
    raise ConfigurationError("custody", name, "use envelope or kms")
