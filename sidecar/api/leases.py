"""The bounds of leases, as any protocol may ask for them."""

from __future__ import annotations

LEASE_SECONDS = 300
"""The longest lease."""
WAIT_SECONDS = 60
"""The longest wait for a value that another one loads."""
MOST_BOUND = 64
"""The leases that end with one connection; of more, the last ones."""
