"""What the store does by itself, in slices between requests: shrink, change policies, sweep."""

from __future__ import annotations

import asyncio
import time

from sidecar.store.store import Store

TICK_SECONDS = 0.1
SWEEP_SECONDS = 30.0
SWEEP_KEYS = 500
"""Keys a slice looks at: well under a millisecond."""


async def upkeep(store: Store) -> None:
    """Run until cancelled."""
    next_sweep = time.monotonic() + SWEEP_SECONDS
    while True:
        await asyncio.sleep(TICK_SECONDS if store.drain() else 0)
        if store.invalidations.any or time.monotonic() >= next_sweep:
            await sweep(store)
            next_sweep = time.monotonic() + SWEEP_SECONDS


async def sweep(store: Store) -> None:
    """One pass over both tiers in memory. What it covered can then be forgotten.

    The keys are listed first, in one go: about 10 ms for a million of them.
    """
    newest = store.invalidations.newest
    for memory in (store.l1, store.l2):
        keys = list(memory.entries)
        for start in range(0, len(keys), SWEEP_KEYS):
            store.sweep(keys[start : start + SWEEP_KEYS])
            await asyncio.sleep(0)
    # An older put may still be pending, and be looked up there, until L3 has the invalidation.
    if not store.disk.invalidating:
        store.invalidations.forget(newest)
