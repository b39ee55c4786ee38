"""Pages of keys if L3 is slow or down; other tests compare listings with a dict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.config.values import CacheConfig
from sidecar.store.listing import page
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
