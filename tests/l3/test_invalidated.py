"""Scopes that are invalidated in L3: what is kept of them, and that a restart believes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from sidecar.l3.invalidated import scope_row
from sidecar.model.writes import Invalidate
from tests.l3.tier import Tier


@pytest.fixture
def tier(tmp_path: Path) -> Iterator[Tier]:
    tier = Tier(tmp_path / "db")
    yield tier
    tier.close()


def invalidate(tier: Tier, scope: bytes) -> None:
    tier.write(Invalidate(scope, tier.next_seq()))


def is_stored(tier: Tier, scope: bytes) -> bool:
    return tier.database.state.get(scope_row(scope)) is not None


def test_a_scope_takes_the_place_of_those_that_it_includes(tier: Tier) -> None:
    """In memory and on the volume; over a crash, and until a sweep has removed what it covers."""
    tier.write(tier.a_put(b"ns/a/1"), tier.a_put(b"ns/b"), tier.a_put(b"other/c"))
    for scope in (b"ns/a", b"ns/a/", b"ns/b", b"other/d"):
        invalidate(tier, scope)
    assert tier.engine.invalidations == 4
    invalidate(tier, b"ns/a")
    assert not is_stored(tier, b"ns/a/")
    invalidate(tier, b"ns/")
    for _ in range(2):
        assert tier.engine.invalidations == 2
        assert tier.engine.invalidation_bytes == len(b"ns/" + b"other/d")
        scopes = (b"ns/", b"ns/a", b"ns/a/", b"ns/b", b"other/d")
        assert [is_stored(tier, scope) for scope in scopes] == [True, False, False, False, True]
        assert tier.has([b"ns/a/1", b"ns/b", b"other/c"]) == [False, False, True]
        tier.crash()
    tier.sweep()
    assert tier.engine.invalidations == tier.engine.invalidation_bytes == 0
    assert not is_stored(tier, b"ns/")


@pytest.mark.parametrize("seed", [3])
def test_thousands_of_scopes_are_the_same_after_a_restart(tier: Tier, seed: int) -> None:
    """They are not loaded in the order in which they were added."""
    rng = Random(seed)
    keys = [b"ns/%05d" % number for number in range(2000)]
    invalidated = set[bytes]()
    for key in rng.sample(keys, len(keys)):
        tier.write(tier.a_put(key))
        invalidated.discard(key)
        scope = rng.choice(keys)[: rng.choice([6, 7, 8, 8, 8, 8])]
        invalidate(tier, scope)
        invalidated |= {key for key in keys if key.startswith(scope)}
    expected = [key not in invalidated for key in keys]
    assert 0 < sum(expected) < len(keys)
    assert tier.has(keys) == expected
    tier.crash()
    assert tier.has(keys) == expected
