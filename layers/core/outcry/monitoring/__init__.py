"""Watches what is held: marks, exit rules, reconciliation with the venue, and the sweep that finds what was left."""
