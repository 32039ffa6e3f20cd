"""Who may do what in the cloud: the table, as it was decided, and what the template's policies really say."""
