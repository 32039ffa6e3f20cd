"""Makes a signer in the custody that is asked for, from the settings of the function that may.

Promises: an unknown custody, and a setting that its mode needs and does not have, is a ConfigurationError before the database is
opened or KMS is asked for anything.
"""

from collections.abc import Callable

from outcry.custody import keyring
from outcry.custody.keyring import CreatedSigner
from outcry.custody.kms import Kms
from outcry.custody.kms_signer import KeyOwner
from outcry.custody.modes import Custody, custody_named
from outcry.runtime.clock import Clock
from outcry.runtime.database import Database
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.settings import PREFIX, Signers


def make_signer(
    database: Callable[[], Database],
    own: Signers,
    account_id: str,
    slot: int,
    custody: object,
    *,
    clock: Clock,
) -> CreatedSigner:
    """Make a signer for the account in a free slot. `custody` is `envelope` or `kms`, in whatever type it came.

    Raises as `keyring.create_signer` and `keyring.create_kms_signer` do.
    """
    if custody_named(custody) is Custody.ENVELOPE:
        return keyring.create_signer(
            database(), Kms(), account_id, slot, key_arn=own.signing_key_arn, clock=clock
        )
    owner = KeyOwner(
        _needed("EXECUTE_ORDERS_ROLE_ARN", own.execute_orders_role_arn),
        _needed("SIGNERS_ROLE_ARN", own.signers_role_arn),
        _needed("STACK_NAME", own.stack_name),
    )
    # one attempt: a repeated CreateKey makes a second key
    return keyring.create_kms_signer(database(), Kms(attempts=1), account_id, slot, owner=owner, clock=clock)


def _needed(name: str, value: str | None) -> str:
    if value is None:
        raise ConfigurationError(
            PREFIX + name, None, "custody kms needs it: the function of a deployed stack has it"
        )
    return value
