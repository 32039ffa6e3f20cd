"""An independent auditor: what the venue says happened, against what the ledger says happened.

Promises: everything is computed from the venue server's journal and from SQL on the ledger's tables. Nothing
of `outcry.orders`, `outcry.positions` or `outcry.monitoring` is imported, so that a fault there cannot hide
itself here. Reads only.
"""
