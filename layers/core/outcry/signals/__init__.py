"""An agent's decision about one market, taken or skipped with a reason, and what explains it."""
