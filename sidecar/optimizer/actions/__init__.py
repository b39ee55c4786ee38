"""The actions that rules can use, one in each file."""
