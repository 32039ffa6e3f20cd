"""The ledger of intents and of the signed requests that carry them out. `plan` is what other rooms may call."""
