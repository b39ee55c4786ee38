"""The data path: get, put, delete, invalidate over the tiers, and its background work.

Everything that changes what a read may see happens between two awaits. It does not know the
optimizer, any protocol, or Prometheus.
"""
