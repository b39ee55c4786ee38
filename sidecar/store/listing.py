"""Pages of keys: first those only in memory, then those of L3, in the order of their hashes."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from sidecar.model.answers import PAGE_BYTES, ListedKey, Page
from sidecar.model.clock import Clock
from sidecar.model.entry import Tier
from sidecar.model.life import is_expired
from sidecar.store.store import Ask, Found, Store
from sidecar.tiers.disk import DOWN

SLICE_KEYS = 500
"""Keys examined before the event loop may run other tasks; some milliseconds if all are wanted."""
REFERENCE_BYTES = 8
_IN_MEMORY, _ON_DISK = b"m", b"d"

Pause = Callable[[], Awaitable[None]]
"""Awaited before each slice: others may run meanwhile."""


async def _give_way() -> None:
    await asyncio.sleep(0)


class BadCursorError(Exception):
    """A cursor that was not returned by a page."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A key with the fastest tier that has it. `size` is in bytes, as stored in that tier."""

    key: bytes
    tier: Tier
    size: int
    expires_at: float
    gone_at: float


def list_bytes(store: Store) -> int:
    """The memory of the list of all keys in memory, of which a page takes one."""
    return REFERENCE_BYTES * (len(store.memory.held.order) + len(store.disk.pending))


async def page(
    store: Store,
    clock: Clock,
    scope: bytes,
    cursor: bytes,
    limit: int,
    *,
    pause: Pause = _give_way,
) -> tuple[list[Listed], bytes | None]:
    """Up to `limit` keys below `scope`, of PAGE_BYTES in all, and the cursor of the next page; None
    after the last.

    Raises BadCursorError, and TimeoutError if L3 does not answer in time or is opening: a list
    without the keys of L3 would appear complete.

    Not a snapshot: a key that is written meanwhile may be missed or listed twice. Each page
    examines all keys in memory until those are listed, and some hundred on disk, so a page may be
    short.
    """
    kind, position = cursor[:1] or _IN_MEMORY, cursor[1:]
    if kind == _IN_MEMORY:
        found, last = await _in_memory(store, clock, scope, position, limit, pause=pause)
        if last is not None:
            return found, _IN_MEMORY + last
        kind, position = _ON_DISK, b""
    if kind != _ON_DISK:
        raise BadCursorError
    listed = await asyncio.wait_for(
        page_on_disk(store, scope, position, limit), store.config.tiers.l3.timeout_seconds
    )
    if listed is None and store.disk.state is not DOWN:
        raise TimeoutError
    if listed is None:
        return [], None
    rows = (_on_disk(store, row) for row in listed.keys)
    cursor_after = None if listed.cursor is None else _ON_DISK + listed.cursor
    return [row for row in rows if row is not None], cursor_after


async def page_on_disk(store: Store, scope: bytes, cursor: bytes, limit: int) -> Page | None:
    """A page of the keys that L3 has below `scope`; None if L3 is not up."""
    answer: asyncio.Future[Page | None] = asyncio.get_running_loop().create_future()
    store.disk.list_keys(scope, cursor, limit, partial(_resolve_page, answer))
    return await answer


def _resolve_page(answer: asyncio.Future[Page | None], listed: Page | None) -> None:
    """Pass the page to its waiter. If the waiter was cancelled, the page is dropped."""
    if not answer.done():
        answer.set_result(listed)


async def _in_memory(
    store: Store, clock: Clock, scope: bytes, after: bytes, limit: int, *, pause: Pause
) -> tuple[list[Listed], bytes | None]:
    """The first keys after `after`, in order, that L3 does not have; and the last that was looked
    at, None if there are no more.
    """
    first: list[bytes] = []
    await pause()
    keys = [*store.memory.held.order.keys(), *store.disk.pending]
    for start in range(0, len(keys), SLICE_KEYS):
        await pause()
        now = clock()
        before = first[-1] if len(first) == limit else None
        wanted = {
            key
            for key in keys[start : start + SLICE_KEYS]
            if after < key
            and (before is None or key < before)  # else it is not among the first
            and key.startswith(scope)
            and _in_memory_only(store, key, now)
        }
        if wanted:
            first = heapq.nsmallest(limit, wanted.union(first))
    found: list[Listed] = []
    last, size, now = None, 0, clock()
    for last in first:
        if listed := _in_memory_only(store, last, now):
            found.append(listed)
        size += len(last)
        if size >= PAGE_BYTES:
            break
    return found, last


def _in_memory_only(store: Store, key: bytes, now: float) -> Listed | None:
    """What is known of a key that L3 does not have."""
    found = store.locate(key)
    if not isinstance(found, Found) or found.entry.on_disk == store.disk.epoch:
        return None
    listed = _listed(found)
    return None if is_expired(listed.gone_at, now) else listed


def _on_disk(store: Store, row: ListedKey) -> Listed | None:
    """A row of L3, unless a write that L3 has not acknowledged replaces or removes it."""
    found = store.locate(row.key)
    if isinstance(found, Ask):
        return Listed(row.key, Tier.L3, row.size, row.expires_at, row.expires_at + row.grace)
    if found is None or found.entry.on_disk != store.disk.epoch:
        return None
    return _listed(found)


def _listed(found: Found) -> Listed:
    entry = found.entry
    return Listed(entry.key, found.tier, entry.size, entry.expires_at, entry.gone_at)
