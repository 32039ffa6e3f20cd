"""Custody of the keys that sign: made, sealed, opened and numbered here; `keyring` is what other rooms may
use.
"""
