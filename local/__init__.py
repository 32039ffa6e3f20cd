"""The cloud and the venues on one machine. Never deployed, and imported by nothing that is."""
