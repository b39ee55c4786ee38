"""Read-through: what the cache does not have fresh is fetched from the namespace's origin.

`loader` decides who waits for a fetch and who gets a stale value; `origins` makes the fetches.
"""
