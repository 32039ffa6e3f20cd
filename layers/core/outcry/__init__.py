"""Outcry: trade calls from trusted X accounts, turned into risk-managed positions.

The rooms of this package are the stages of the pipeline, in the order in which data passes them:
runtime, notices, agents, posts, calls, signals, positions, controls, venues, custody, orders, monitoring, console, cli.
A room imports those before it and never those after it; `wiring` alone puts the parts together.
"""
