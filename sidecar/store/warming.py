"""Loads entries from L3 into free memory: after a restart the hottest ones, and on request the most
used ones.

The keys in memory are saved at shutdown, and periodically in case of a crash. Only keys are saved:
values are read from L3, so none can be outdated.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
import structlog
from msgspec import Meta

from sidecar.model.entry import is_full_key
from sidecar.process import state_file
from sidecar.store.listing import page_on_disk
from sidecar.store.pace import Rest, rest_after
from sidecar.store.store import Ask, Store
from sidecar.tiers.disk import State

FILE = "hot.keys"
MAX_KEYS = 100_000
"""The most keys saved per tier."""
MOST_BYTES = 8 << 20
"""The most bytes of keys saved per tier, with what encodes them; the coldest are left out."""
_ENCODING_BYTES = 5
SAVE_SECONDS = 60.0
BATCH_KEYS, BATCH_SECONDS = 32, 0.005
"""Keys read at a time: one frame, answered in a millisecond or two. If that takes longer, since the
values are large, the next one has half as many: the reads of requests wait behind it.
"""
MOST_IN_VAIN = 4
"""Batches in a row that L3 had and that left memory with no more entries: it has no room for them.
A tier with no entries does not know how large they are.
"""
PAGE_KEYS = 256
MAX_FILE_BYTES = 2 * MOST_BYTES + 4096

log = structlog.get_logger("sidecar.warming")


class Hot(msgspec.Struct):
    """Keys in memory, coldest first, in the order of their policies."""

    l1: Annotated[list[bytes], Meta(max_length=MAX_KEYS)]
    l2: Annotated[list[bytes], Meta(max_length=MAX_KEYS)]


async def warm(store: Store, data_dir: Path, rest: Rest = rest_after) -> int:
    """Once L3 is open, load the saved keys while memory has room; returns their number."""
    hot = await asyncio.to_thread(state_file.load, data_dir / FILE, Hot, MAX_FILE_BYTES)
    await store.opened()
    if hot is None or store.disk.state is not State.UP:
        return 0
    warmed = await _bring(store, filter(is_full_key, hot.l2), rest, to_l1=False)
    warmed += await _bring(store, filter(is_full_key, hot.l1), rest, to_l1=True)
    log.info("Memory warmed", entries=warmed, keys=len(hot.l1) + len(hot.l2))
    return warmed


async def warm_again(store: Store, rest: Rest = rest_after) -> int:
    """Load the most used entries that memory lacks while there is room; returns their number.
    Examines every key of L3, some hundred at a time.
    """
    to_l1 = not store.config.tiers.l2.enabled
    memory = store.l1 if to_l1 else store.l2
    room = min(MAX_KEYS, memory.max_entries - len(memory))
    most_used: list[tuple[int, bytes]] = []  # a heap, least used first
    cursor: bytes | None = b""
    while cursor is not None and room > 0:
        began = time.monotonic()
        page = await page_on_disk(store, b"", cursor, PAGE_KEYS)
        if page is None:
            break
        for row in page.keys:
            if not isinstance(store.locate(row.key), Ask):
                continue
            if len(most_used) < room:
                heapq.heappush(most_used, (row.hits, row.key))
            else:
                heapq.heappushpop(most_used, (row.hits, row.key))
        cursor = page.cursor
        await rest(time.monotonic() - began, store.pace)
    keys = [key for _, key in sorted(most_used, reverse=True)]
    return await _bring(store, keys, rest, to_l1=to_l1)


async def keep_saving(
    store: Store, data_dir: Path, write: state_file.Save = state_file.save
) -> None:
    """Save the hot keys periodically, until cancelled."""
    while True:
        await asyncio.sleep(SAVE_SECONDS / store.pace)
        await save(store, data_dir, write)


async def save(store: Store, data_dir: Path, write: state_file.Save = state_file.save) -> None:
    """Save the hot keys. A failure is only logged, since L3 reports a bad volume."""
    if store.disk.state is not State.UP:
        return
    held = store.memory.held
    l1 = [place.key for place in held.ready]
    in_l1, entries = set(l1), list(held.order)
    in_l2 = (entry.key for entry in reversed(entries) if entry.key not in in_l1)
    hot = Hot(_first(reversed(l1)), _first(in_l2))
    try:
        await asyncio.to_thread(write, data_dir / FILE, msgspec.msgpack.encode(hot))
    except OSError as error:
        log.warning("Hot keys not saved", error=str(error))


def _first(hottest: Iterable[bytes]) -> list[bytes]:
    """The keys that are saved, coldest first."""
    keys: list[bytes] = []
    left = MOST_BYTES
    for key in islice(hottest, MAX_KEYS):
        left -= len(key) + _ENCODING_BYTES
        if left < 0:
            break
        keys.append(key)
    return keys[::-1]


async def _bring(store: Store, keys: Iterable[bytes], rest: Rest, *, to_l1: bool) -> int:
    brought, in_vain, size = 0, 0, 1
    keys = iter(keys)
    while in_vain < MOST_IN_VAIN and (batch := list(islice(keys, size))):
        began, before = time.monotonic(), len(store.l1) + len(store.l2)
        found = sum(await asyncio.gather(*(store.bring(key, to_l1=to_l1) for key in batch)))
        seconds = time.monotonic() - began
        is_in_vain = found and len(store.l1) + len(store.l2) <= before
        in_vain = in_vain + 1 if is_in_vain else 0
        size = min(BATCH_KEYS, 2 * size) if seconds < BATCH_SECONDS else max(1, size // 2)
        brought += found
        await rest(seconds, store.pace)
    return brought
