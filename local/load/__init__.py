"""The ledger under load: many workers, one signer or many, every order accounted for afterwards. Never deployed."""
