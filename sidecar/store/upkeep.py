"""Background work of the store, in slices between requests: shrink, change policies, sweep."""

from __future__ import annotations

import asyncio
import time

from sidecar.model.life import CLOCK_SLACK_SECONDS
from sidecar.store.pace import Rest, rest_after
from sidecar.store.store import Store
from sidecar.tiers.disk import TOUCH_SECONDS

TICK_SECONDS = 0.1
SWEEP_SECONDS = 30.0
SWEEP_KEYS = 500
"""Keys per slice: well under a millisecond."""


async def upkeep(store: Store) -> None:
    """Run until cancelled. Shrinking does not wait for the sweep, which may be slow."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_keep_drained(store))
        tasks.create_task(_keep_swept(store))
        tasks.create_task(_keep_counted(store))


async def _keep_drained(store: Store) -> None:
    while True:
        drained = store.memory.drain()
        await asyncio.sleep(TICK_SECONDS if drained else 0)


async def _keep_counted(store: Store) -> None:
    """Hits of which L3 does not hear."""
    while True:
        await asyncio.sleep(TOUCH_SECONDS)
        store.disk.drop_touches()
        store.hot.add_noted()


async def _keep_swept(store: Store) -> None:
    swept_at = time.monotonic()
    ahead = store.clock() - swept_at  # of the wall clock
    while True:
        await asyncio.sleep(TICK_SECONDS)
        now = time.monotonic()
        due = swept_at + SWEEP_SECONDS / store.pace
        was_ahead, ahead = ahead, store.clock() - now
        is_set_back = ahead < was_ahead - CLOCK_SLACK_SECONDS
        if store.invalidations.any or store.tags.crowded or is_set_back or now >= due:
            await sweep(store)
            swept_at = time.monotonic()


async def sweep(store: Store, rest: Rest = rest_after) -> None:
    """One pass over the tiers in memory. Its invalidations can then be dropped.

    The keys are listed first, at once: about 40 ms for a million of them.
    """
    store.harden()
    newest = store.invalidations.newest
    # What is put with a lease may be older than the tags that were invalidated since it was taken.
    newest_tag = min(store.tags.newest, store.leases.oldest_seq)
    keys = list(store.memory.held.order.keys())
    for start in range(0, len(keys), SWEEP_KEYS):
        began = time.monotonic()
        store.memory.sweep(keys[start : start + SWEEP_KEYS])
        await rest(time.monotonic() - began, store.pace)
    # An older put may still be pending, and visible there, until L3 has the invalidation.
    if not store.disk.invalidating:
        store.invalidations.forget(newest)
        store.tags.forget(newest_tag)
