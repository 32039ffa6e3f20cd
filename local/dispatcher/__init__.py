"""Runs the functions of `template.yaml` on this machine: their real handlers, on real event shapes.

What Lambda, SQS and EventBridge Scheduler do between the lines of the template is done here: each execution
environment a process of its own, killed at its time limit; batches, partial-batch answers, visibility,
delays, redelivery and dead letters by a real queue service; schedules; all on one served clock.
"""
