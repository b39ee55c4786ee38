"""Keys of memory and of L3 in one order, that of their hashes, from any hash on.

A position in that order is all that has to be known to go on, so nothing is kept from one call to
the next. `listing` has pages for people, with what is known of each key, and a cheaper order.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sidecar.model.clock import Clock
from sidecar.model.errors import NotReadyError
from sidecar.model.invalidations import Invalidations
from sidecar.model.life import is_expired
from sidecar.model.order import HASH_BYTES, HASHES, hash_of
from sidecar.store.listing import page_on_disk
from sidecar.store.store import Ask, Found, Store
from sidecar.tiers.disk import DOWN

SLICE_KEYS = 500
"""Keys examined before the event loop may run other tasks."""
PAGE_KEYS = 1000
"""More than a page of L3 has."""
MOST_ALIKE = 10_000
"""The most keys of one hash that are listed; of keys that nobody has chosen, no two have one."""
REFERENCE_BYTES = 8
LISTED_BYTES = 256
"""What a key takes while it is listed, beside its own bytes."""

Pause = Callable[[], Awaitable[None]]
"""Awaited before each slice: others may run meanwhile."""


@dataclass(frozen=True, slots=True)
class Part:
    """Keys with their times of expiry, by their places (hash and key), and the hash from which to
    go on; None at the end.
    """

    expiries: dict[bytes, float]
    end: int | None

    @property
    def keys(self) -> list[bytes]:
        return [place[HASH_BYTES:] for place in self.expiries]


def part_bytes(store: Store, limit: int) -> int:
    """The memory of a part while it is made, beside the bytes of its keys."""
    return REFERENCE_BYTES * len_in_memory(store) + LISTED_BYTES * limit


def len_in_memory(store: Store) -> int:
    """The number of keys that each part examines."""
    return len(store.memory.held.order) + len(store.disk.pending)


async def part(
    store: Store,
    clock: Clock,
    scope: bytes,
    start: int,
    *,
    limit: int,
    most_pages: int,
    pause: Pause,
) -> Part:
    """About `limit` keys below `scope`, from the hash `start` on; fewer after `most_pages` of L3.

    Every key that exists all the time from the first part to the last is in one of them: at the
    moment at which memory is looked at, it is there, or in L3. (Missing is only one that L3 evicts
    just after it came to memory, both within this call.)

    Takes O(keys in memory), in slices. Raises NotReadyError if L3 is opening, or does not answer in
    time.
    """
    await pause()
    if store.disk.invalidating:
        await store.applied()  # L3 may list what it does not know to be invalidated yet
    places = _Places(start, limit)
    in_memory = [*store.memory.held.order.keys(), *_pending_puts(store)]
    invalidated = store.invalidations.copy()
    places.end = await _read_disk(store, clock, scope, places, most_pages)
    in_memory += _pending_puts(store)  # what was written meanwhile may have left L3 for memory
    for first in range(0, len(in_memory), SLICE_KEYS):
        await pause()
        now = clock()
        for key in in_memory[first : first + SLICE_KEYS]:
            # The hash comes first, since most keys are of other parts.
            if key.startswith(scope) and places.wants(hash_of(key)):
                expires_at = _expiry_in_memory(store, key, invalidated)
                if expires_at is not None and not is_expired(expires_at, now):
                    places.add(key, expires_at)
        places.cut()
    return places.part()


def _pending_puts(store: Store) -> list[bytes]:
    """Of what is pending, deletes and invalidations are left out: once L3 has acknowledged them,
    nothing here tells that they were no entries.
    """
    return [key for key, write in store.disk.pending.items() if write.entry is not None]


def _expiry_in_memory(store: Store, key: bytes, invalidated: Invalidations) -> float | None:
    """When a key that was in memory just now expires; None if it has been removed.

    An entry that was invalidated before it was listed stays in memory until the sweep finds it:

    1. The keys in memory are listed, those of dead entries among them.
    2. The sweep frees these, and forgets the invalidation.
    3. Nothing here or in `store` tells that the key went, but for what was `invalidated` at 1.
    """
    found = store.locate(key)
    if not isinstance(found, Ask):
        return None if found is None else found.entry.expires_at
    # It went to L3, perhaps after that was read; or it was invalidated before that.
    if invalidated.covers(key, 0) or store.invalidations.covers(key, 0):
        return None
    return math.inf


class _Places:
    """The first places of a part. Those of its first hash are kept apart and are all in it, up to
    MOST_ALIKE, so that the next part begins behind them: keys of one hash can be chosen.
    """

    def __init__(self, start: int, limit: int) -> None:
        self.start = start.to_bytes(HASH_BYTES, "big")
        self.end: bytes | None = None
        self._limit = limit
        self._first: dict[bytes, float] = {}
        self._others: dict[bytes, float] = {}

    @property
    def is_full(self) -> bool:
        return len(self._first) + len(self._others) >= self._limit

    @property
    def has_enough_alike(self) -> bool:
        return len(self._first) >= MOST_ALIKE

    def wants(self, hashed: bytes) -> bool:
        return self.start <= hashed and (self.end is None or hashed < self.end)

    def add(self, key: bytes, expires_at: float) -> None:
        """Add a key whose hash is wanted."""
        hashed = hash_of(key)
        if hashed != self.start:
            self._others[hashed + key] = expires_at
        elif not self.has_enough_alike:
            self._first[hashed + key] = expires_at

    def cut(self, slack: int = 2) -> None:
        """Keep the first ones, if there are `slack` times as many as wanted."""
        if len(self._others) <= slack * self._limit:
            return
        places = sorted(self._others)
        least = places[0][:HASH_BYTES]
        for place in places[self._limit :]:
            if place[:HASH_BYTES] != least:
                end = self.end = place[:HASH_BYTES]
                kept = (each for each in places if each[:HASH_BYTES] < end)
                self._others = {each: self._others[each] for each in kept}
                return

    def part(self) -> Part:
        self.cut(slack=1)
        if self.end is None:
            return Part(self._first | self._others, None)
        # L3 may have listed some keys of the hash at the end before others.
        found = {place: at for place, at in self._others.items() if place[:HASH_BYTES] < self.end}
        return Part(self._first | found, int.from_bytes(self.end, "big"))


async def _read_disk(
    store: Store, clock: Clock, scope: bytes, places: _Places, most_pages: int
) -> bytes | None:
    """Add keys of L3; returns the hash from which to go on, None at the end."""
    cursor: bytes | None = places.start
    pages = 0
    while cursor is not None and (pages < most_pages and not places.is_full):
        pages, cursor = pages + 1, await _read_page(store, clock, scope, places, cursor)
    while cursor is not None and cursor[:HASH_BYTES] == places.start:
        if places.has_enough_alike:
            return _behind(places.start)
        cursor = await _read_page(store, clock, scope, places, cursor)
    return None if cursor is None else cursor[:HASH_BYTES]


async def _read_page(
    store: Store, clock: Clock, scope: bytes, places: _Places, cursor: bytes
) -> bytes | None:
    """Add the keys of a page; returns the cursor of the next one. Raises NotReadyError."""
    try:
        listed = await asyncio.wait_for(
            page_on_disk(store, scope, cursor, PAGE_KEYS), store.config.tiers.l3.timeout_seconds
        )
    except TimeoutError:
        raise NotReadyError from None
    if listed is None:
        if store.disk.state is not DOWN:
            raise NotReadyError
        return None
    now = clock()
    for row in listed.keys:
        found = store.locate(row.key)
        expires_at = found.entry.expires_at if isinstance(found, Found) else row.expires_at
        if found is not None and not is_expired(expires_at, now):
            places.add(row.key, expires_at)
    return listed.cursor


def _behind(hashed: bytes) -> bytes | None:
    following = int.from_bytes(hashed, "big") + 1
    return None if following == HASHES else following.to_bytes(HASH_BYTES, "big")
