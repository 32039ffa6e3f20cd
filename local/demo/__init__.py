"""The demo: a desk at work on this machine, from a post to a protected position, on the served clock."""
