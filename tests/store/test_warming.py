"""The list of hot keys comes from the volume: bounded, and with names that cannot be."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from sidecar.process.state_file import load, save
from sidecar.store.warming import FILE, MAX_FILE_BYTES, MAX_KEYS, MOST_BYTES, Hot, _first, warm
from tests.app.turning import Panel, small
from tests.conftest import StartSidecar
from tests.http.serving import running_sidecar
from tests.running import wait_until


def test_only_names_of_entries_are_asked_for(start_sidecar: StartSidecar, tmp_path: Path) -> None:
    """Whatever else stands there, the keys that can be are loaded."""
    sidecar = start_sidecar()
    sidecar.put("key", b"value")
    assert sidecar.stop() == 0
    odd = [b"", b"key", b"/key", b"test/", b"te st/key", b"test/" + b"k" * 1025, b"\xff/\xff"]
    hot = Hot(l1=[*odd, b"test/gone"], l2=[*odd, b"test/key"])
    save(sidecar.data_dir / FILE, msgspec.msgpack.encode(hot))
    sidecar.start()
    wait_until(lambda: sidecar.stats()["warmed"] == 1, "the key is loaded")
    assert sidecar.get("key").tier in {"l1", "l2"}


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_a_list_without_end_is_not_read(tmp_path: Path, name: str) -> None:
    """Of two bytes a key, many would take much memory."""
    lists = {"l1": [], "l2": [], name: [b"ab"] * (MAX_KEYS + 1)}
    save(tmp_path / FILE, msgspec.msgpack.encode(lists))
    assert load(tmp_path / FILE, Hot, MAX_FILE_BYTES) is None


def test_the_hottest_are_saved_and_can_be_read(tmp_path: Path) -> None:
    """With the longest keys and with the shortest ones."""
    for size in (1089, 3):
        count = min(MAX_KEYS, MOST_BYTES // (size + 5)) + 10
        hottest_first = [b"%d" % n + bytes(size) for n in range(count)]
        kept = _first(hottest_first)
        assert kept == hottest_first[: len(kept)][::-1]
        assert len(kept) > 0.9 * count * size / (size + 10)
        save(tmp_path / FILE, msgspec.msgpack.encode(Hot(kept, kept)))
        assert load(tmp_path / FILE, Hot, MAX_FILE_BYTES) == Hot(kept, kept)


async def test_warming_ends_when_memory_has_no_room(tmp_path: Path) -> None:
    """L1 is empty, since no value fits it, and L2 is full: each value would evict another one."""
    async with running_sidecar(tmp_path) as live:
        Panel(live, small(l1={"max_bytes": 10_000}, l2={"max_entries": 3}))
        keys = [b"test/%d" % number for number in range(200)]
        for key in keys:
            await live.store.put(key, random.Random(1).randbytes(20_000), "text/plain", 600.0)
        save(tmp_path / FILE, msgspec.msgpack.encode(Hot(l1=keys, l2=[])))
        assert await warm(live.store, tmp_path) < 20
