"""The deployed stack on the local AWS, and what is concluded from its run."""
