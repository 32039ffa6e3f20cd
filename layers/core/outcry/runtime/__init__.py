"""What every stage stands on: time, settings, the database, queues, leases, logs, errors and reasons."""
