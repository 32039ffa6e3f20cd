"""X API v2 on this machine: a time line served as X would, page by page, within limits. Never deployed."""
