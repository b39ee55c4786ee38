"""The tiers: two in memory, and the client of the one on disk.

A tier keeps entries within its limits and returns the entries that it evicts. It knows neither the
other tiers nor what happens to an evicted entry.
"""
