"""What people and protections forbid: pause, flatten, halt, and locks that expire by themselves."""
