"""What followed authors publish: heard once, stored as it was said, and passed on by a doorbell."""
