"""How many scopes may be invalidated that no sweep has worked off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.config.values import CacheConfig
from sidecar.l3 import wire
from sidecar.model.errors import TooManyInvalidationsError
from sidecar.store import store as store_module
from sidecar.store.upkeep import sweep
from tests.store.harness import Harness


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(tmp_path / "db", CacheConfig(), seed=1)
    yield harness
    harness.close()


@pytest.mark.parametrize(
    ("limit", "most"), [("MAX_INVALIDATIONS", 4), ("MAX_INVALIDATION_BYTES", 19)]
)
def test_scopes_are_limited(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    """By number and by bytes; in memory, and in L3, which may have more. A wider one makes room."""
    monkeypatch.setattr(store_module, limit, most)
    store = harness.store
    for scope in (b"ns/1", b"ns/2", b"ns/3"):
        harness.run(store.invalidate(scope))
    harness.run(store.invalidate(b"ns/"))
    assert len(store.invalidations) == 1
    for scope in (b"ns/4", b"ns/5", b"ns/6"):
        harness.run(store.invalidate(scope))
    with pytest.raises(TooManyInvalidationsError):
        harness.run(store.invalidate(b"ns/789"))
    assert not store.invalidations.covers(b"ns/789", store.invalidations.newest)
    harness.run(sweep(store))
    store.disk.feed(wire.Reply([], [], [], status=harness.status()))
    assert len(store.invalidations) == 0
    with pytest.raises(TooManyInvalidationsError):
        harness.run(store.invalidate(b"ns/789"))
