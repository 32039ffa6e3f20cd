"""The monitor is tested on the ledger's workshop."""

from tests.orders.conftest import venue_changes, workshop

__all__ = ["venue_changes", "workshop"]
