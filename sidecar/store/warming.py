"""After a restart memory is empty and L3 is not: bring back what was hottest.

The keys in memory are written down when stopping, and now and then while running for the case that
nobody gets to stop. Keys alone: what they stand for is read from L3, so nothing stale comes back.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import msgspec
import structlog

from sidecar.store.pace import Rest, rest_after
from sidecar.store.store import Store
from sidecar.tiers.disk import State

FILE = "hot.keys"
MAX_KEYS = 100_000
"""The most keys kept of a tier; at 1 KiB each the file stays below 200 MiB."""
SAVE_SECONDS = 60.0
BATCH_KEYS = 32
"""Keys asked for at a time: what one frame answers in a millisecond or two."""
MAX_FILE_BYTES = 256 << 20

log = structlog.get_logger("sidecar.warming")


class Hot(msgspec.Struct):
    """Keys in memory, the coldest first, as their policies had them."""

    l1: list[bytes]
    l2: list[bytes]


async def warm(store: Store, data_dir: Path, rest: Rest = rest_after) -> int:
    """Once L3 is open, bring the written-down keys back as far as memory has room; how many."""
    hot = await asyncio.to_thread(_load, data_dir / FILE)
    await store.opened()
    if hot is None or store.disk.state is not State.UP:
        return 0
    warmed = 0
    for keys, to_l1 in ((hot.l2, False), (hot.l1, True)):
        for batch in _batches(keys):
            began = time.monotonic()
            brought = await asyncio.gather(*(store.bring(key, to_l1=to_l1) for key in batch))
            warmed += sum(brought)
            await rest(time.monotonic() - began, store.pace)
    log.info("Memory warmed", entries=warmed, keys=len(hot.l1) + len(hot.l2))
    return warmed


async def keep_saving(store: Store, data_dir: Path) -> None:
    """Write the hot keys down now and then, until cancelled."""
    while True:
        await asyncio.sleep(SAVE_SECONDS / store.pace)
        await save(store, data_dir)


async def save(store: Store, data_dir: Path) -> None:
    """Write the hot keys down; a volume that can't be written is L3's trouble to report."""
    if store.disk.state is not State.UP:
        return
    hot = Hot(_hottest(store.l1.policy), _hottest(store.l2.policy))
    try:
        await asyncio.to_thread(_store, data_dir / FILE, msgspec.msgpack.encode(hot))
    except OSError as error:
        log.warning("The hot keys could not be written down", error=str(error))


def _hottest(coldest_first: Iterable[bytes]) -> list[bytes]:
    return list(deque(coldest_first, maxlen=MAX_KEYS))


def _batches(keys: list[bytes]) -> Iterable[list[bytes]]:
    rest = iter(keys)
    while batch := list(islice(rest, BATCH_KEYS)):
        yield batch


def _load(file: Path) -> Hot | None:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            return None
        return msgspec.msgpack.decode(file.read_bytes(), type=Hot)
    except (OSError, msgspec.MsgspecError):
        return None  # there is none, or it is no more than a hint that was cut short


def _store(file: Path, data: bytes) -> None:
    scratch = file.with_suffix(".new")
    scratch.write_bytes(data)
    scratch.replace(file)
