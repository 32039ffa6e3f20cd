"""The book: what is held in which place, with which exits, and what it earned. `store` is open to orders and monitoring."""
