"""Pages of keys that are long or expired, or while L3 is slow or down; other tests compare listings
with a dict.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.config.values import CacheConfig
from sidecar.model.answers import PAGE_BYTES
from sidecar.store.listing import SLICE_KEYS, page
from tests.store.harness import Harness


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    config = CacheConfig()
    l3 = replace(config.tiers.l3, timeout_seconds=0.2)
    config = replace(config, tiers=replace(config.tiers, l3=l3))
    harness = Harness(tmp_path / "l3", config, seed=1)
    yield harness
    harness.close()


def test_a_page_that_comes_too_late_is_passed_over(harness: Harness) -> None:
    """The caller has timed out: the late answer is ignored, and the next page is received."""
    harness.run(harness.store.put(b"ns/key", b"value", "text/plain", 60.0))

    async def ask_in_vain() -> None:
        with pytest.raises(TimeoutError):
            await page(harness.store, lambda: harness.now, b"ns/", b"", 10)

    harness.run_unserved(ask_in_vain())
    harness.serve()
    listed, cursor = harness.run(page(harness.store, lambda: harness.now, b"ns/", b"", 10))
    assert ([row.key for row in listed], cursor) == ([b"ns/key"], None)


def test_a_list_does_not_end_because_l3_is_away(harness: Harness) -> None:
    """While a new child starts there is no page; without L3, memory has all entries."""
    harness.run(harness.store.put(b"ns/key", b"value", "text/plain", 60.0))
    harness.store.disk.lost()

    async def rest() -> object:
        return await page(harness.store, lambda: harness.now, b"ns/", b"d", 10)

    with pytest.raises(TimeoutError):
        harness.run_unserved(rest())
    harness.store.disk.give_up()
    assert harness.run_unserved(rest()) == ([], None)


def keys_of_pages(harness: Harness, limit: int) -> list[list[bytes]]:
    """Those of all pages."""
    pages: list[list[bytes]] = []
    cursor: bytes | None = b""
    while cursor is not None:
        listed, cursor = harness.run(
            page(harness.store, lambda: harness.now, b"ns/", cursor, limit)
        )
        pages.append([row.key for row in listed])
    return pages


@pytest.mark.parametrize("is_on_disk", [True, False], ids=["L3", "memory"])
def test_a_page_of_long_keys_is_short(harness: Harness, *, is_on_disk: bool) -> None:
    """Its keys take PAGE_BYTES, so that the memory for it is known."""
    if not is_on_disk:
        harness.store.disk.give_up()
    keys = {b"ns/%04d" % number + bytes(1000) for number in range(200)}
    for key in keys:
        harness.run(harness.store.put(key, b"value", "text/plain", 60.0))
    pages = keys_of_pages(harness, 1000)
    assert {key for each in pages for key in each} == keys
    assert max(sum(map(len, each)) for each in pages) < PAGE_BYTES + 1100
    assert len(pages) < 6


def test_a_list_goes_on_behind_keys_that_have_expired(harness: Harness) -> None:
    """They are still in memory, and fill no page."""
    harness.store.disk.give_up()
    for number in range(6):
        life = 1.0 if number < 3 else 60.0
        harness.run(harness.store.put(b"ns/%d" % number, b"value", "text/plain", life))
    harness.now += 2.0
    assert [key for each in keys_of_pages(harness, 1) for key in each] == [
        b"ns/3",
        b"ns/4",
        b"ns/5",
    ]


def test_a_page_looks_up_few_keys_of_many(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that may be among its first: to look all keys up takes seconds for a page."""
    harness.store.disk.give_up()
    numbers = list(range(1000))
    random.Random(1).shuffle(numbers)
    for number in numbers:
        harness.run(harness.store.put(b"ns/%04d" % number, b"", "text/plain", 60.0))
    looked_up: list[bytes] = []
    locate = harness.store.locate

    def counted(key: bytes) -> object:
        looked_up.append(key)
        return locate(key)

    monkeypatch.setattr(harness.store, "locate", counted)
    listed, _ = harness.run(page(harness.store, lambda: harness.now, b"ns/", b"", 10))
    assert [row.key for row in listed] == [b"ns/%04d" % number for number in range(10)]
    assert len(looked_up) < SLICE_KEYS + 200
