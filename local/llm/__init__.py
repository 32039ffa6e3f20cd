"""A language model's stand-in: an OpenAI-compatible server that says what a script tells it, for tests.
Never deployed.
"""
