"""The tiers: two in memory, and the client's end of the one on disk."""
