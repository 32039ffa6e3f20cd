"""Crash points: each scenario, killed at each thing that it does, in each way, and delivered again in each way."""
