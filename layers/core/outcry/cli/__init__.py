"""The operator's command line: what a person reads and orders, by day and at three in the morning."""
