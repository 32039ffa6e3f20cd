"""Who is followed, how each agent judges, on which accounts it is at work, and within which limits."""
