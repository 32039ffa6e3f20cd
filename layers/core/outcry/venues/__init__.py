"""The venues behind one port. A venue imports `runtime` and `port`, and nothing else of Outcry."""
