"""`make stack`: the template built and deployed for real, onto the local AWS, and tried as an operator would. Never deployed."""
