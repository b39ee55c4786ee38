"""What the child asks of the engine between its batches."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.l3 import wire
from sidecar.l3.engine import READ_BYTES
from sidecar.l3.records import logical_bytes
from sidecar.model.writes import RECORD_BYTES, Put
from tests.l3.tier import Tier

SEED = 20240619


@pytest.fixture
def tier(tmp_path: Path) -> Iterator[Tier]:
    tier = Tier(tmp_path / "l3", max_entries=1000, max_bytes=100_000, seed=SEED)
    yield tier
    tier.close()


def test_bytes_that_change_are_those_written_and_those_that_died(tier: Tier) -> None:
    """A put writes its bytes, a replacement also drops the old ones, and a touch a row of each."""
    first, second = tier.a_put(b"ns/a", b"v" * 100), tier.a_put(b"ns/a", b"v" * 30)
    one, other = logical_bytes(first), logical_bytes(second)
    expected = 0
    for act, size in (
        (lambda: tier.write(first), one),
        (lambda: tier.write(second), one + other),
        (lambda: tier.write(touches={b"ns/a": 3, b"ns/none": 1}), 2 * RECORD_BYTES),
        (lambda: tier.delete(b"ns/none"), 0),
        (lambda: tier.delete(b"ns/a"), other),
    ):
        act()
        expected += size
        assert tier.engine.changed_bytes == expected


def test_writes_crowd_the_tier_whatever_else_their_frame_has(tier: Tier) -> None:
    """The size of the frame only spares adding up: a larger bound gives the same answer."""
    rng = random.Random(SEED)
    for _ in range(500):
        tier.put(b"ns/%d" % rng.randrange(2000), bytes(rng.randrange(200)))
    for _ in range(200):
        sizes = [rng.choice([10, 500, 20_000, 200_000]) for _ in range(rng.randrange(1, 5))]
        writes: list[Put] = [tier.a_put(b"ns/new%d" % size, bytes(size)) for size in sizes]
        frame_bytes = len(wire.encode_request(wire.Request(0.0, 0.0, False, [], [*writes], [])))
        assert tier.engine.crowded([*writes], frame_bytes) == tier.engine.crowded(
            [*writes], 1 << 40
        ), f"seed {SEED}"


def test_one_large_value_crowds_a_tier_of_small_ones(tier: Tier) -> None:
    """The room for it is made in slices; beside a few entries it needs none."""
    put = tier.a_put(b"ns/large", bytes(80_000))
    frame_bytes = len(wire.encode_request(wire.Request(0.0, 0.0, False, [], [put], [])))
    assert tier.engine.crowded([put], frame_bytes) == 0
    for n in range(900):
        tier.put(b"ns/%d" % n, b"v" * 10)
    assert tier.engine.crowded([put], frame_bytes) == logical_bytes(put)


def test_a_multi_get_loads_no_more_than_it_may(tmp_path: Path) -> None:
    """Large values are read in several: whatever the average size of an entry is, and reopened."""
    path, tier = tmp_path / "l3", Tier(tmp_path / "l3", max_entries=1000, max_bytes=1 << 30, seed=1)
    small = [b"ns/small%d" % n for n in range(200)]
    large = [b"ns/large%d" % n for n in range(3)]
    for key in small:
        tier.put(key, b"v")
    assert list(tier.engine.in_chunks(small)) == [small]
    for key in large:
        tier.put(key, bytes(READ_BYTES * 3 // 4))
    tier.close()
    tier = Tier(path, max_entries=1000, max_bytes=1 << 30, seed=1)
    try:
        keys = [*small, *large, b"ns/none"]
        first, *rest = large
        assert list(tier.engine.in_chunks(keys)) == [
            [*small, first],
            *([key] for key in rest[:-1]),
            [rest[-1], b"ns/none"],
        ]
    finally:
        tier.close()
