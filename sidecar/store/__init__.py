"""The data path: get, put, delete and invalidate over the tiers, and background work.

Everything that changes what a read may see happens between two awaits. It does not know the
optimizer, any protocol, or Prometheus.
"""
