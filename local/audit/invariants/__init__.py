"""One module an invariant, each a pure function from the facts of a run to a judgement.

Promises: nothing here asks the ledger's own code anything; what a violation says names the rows and the venue's ids that it is
about, with the time of the run's clock.
"""
