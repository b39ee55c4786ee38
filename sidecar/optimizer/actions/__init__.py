"""What rules can have done: one action, one file, and the registry of them."""
