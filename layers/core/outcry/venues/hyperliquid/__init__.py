"""Hyperliquid perpetuals: wire and answers are pure, client talks HTTP, signing wraps the SDK, venue is
the port.
"""
