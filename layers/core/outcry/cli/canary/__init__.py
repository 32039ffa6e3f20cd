"""`outcry canary`: the minimum trade through the deployed functions, step by step, with a verdict on each."""
