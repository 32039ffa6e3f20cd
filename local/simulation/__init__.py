"""A whole desk in one process, on a virtual clock, that is broken on purpose: everything of it follows from a seed.

Real in it: Postgres, the local venue behind our HTTP client, each stage's use case, signatures, nonces, stored bytes. Models: queues (SQS
standard queues, as the template sets them) and the processes (threads of which one runs at a time). Never deployed.
"""
