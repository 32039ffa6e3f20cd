"""A whole desk in one process, on a virtual clock, that is broken on purpose: everything of it follows from a seed.

Real in it: Postgres, the local venue over HTTP, every stage's use case, signatures, nonces and stored bytes. Models: the queues (SQS
standard queues, as the template sets them) and the processes (threads of which one runs at a time). Never deployed.
"""
