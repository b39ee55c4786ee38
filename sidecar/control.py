"""The loop that connects the optimizer: measure, ask it, do what it says."""
