"""What the database says, for the checks that compare it with the world.

Promises: all of it was read in one transaction; it carries addresses and names of keys, never a key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from outcry.agents.model import Account, Deployment
from outcry.controls.model import Control


@dataclass(frozen=True, slots=True)
class SignerFacts:
    """What the database says about a signer that is not revoked, or was the last time."""

    signer_id: str
    account_id: str
    address: str
    custody: str
    key_arn: str
    status: str
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read from the database in one transaction, for the checks that compare it with the world.

    `without_canary`: live accounts at work on which none has passed with the build that runs, by that build.
    """

    accounts: tuple[Account, ...]
    deployments: tuple[Deployment, ...]
    signers: tuple[SignerFacts, ...]
    controls: tuple[Control, ...]
    beats: Mapping[str, tuple[datetime, Mapping[str, Any]]]
    without_canary: Mapping[str, frozenset[str]]
