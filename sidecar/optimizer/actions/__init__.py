"""What rules can have done: one action, one file."""
