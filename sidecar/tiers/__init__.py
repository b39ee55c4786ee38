"""The tiers: two in memory, and the client of the one on disk.

A tier keeps entries within its limits and returns what it evicts. It does not know the other tiers,
nor what becomes of an evicted entry.
"""
