"""Calls: what a classifier reads in a post, with the words that prove it. It imports runtime, notices,
agents and posts only.
"""
