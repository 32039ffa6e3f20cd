"""`outcry doctor`: everything that Outcry depends on, asked one by one, with what is wrong and how to mend it."""
