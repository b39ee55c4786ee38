"""Plain data that every layer shares: entries, clocks, invalidations, changes, counters.

No I/O and no behaviour beyond the data's own rules. It imports nothing else of the sidecar.
"""
