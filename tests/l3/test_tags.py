"""Invalidated tags in L3: exact on reading, over restarts and crashes, and dropped by a sweep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.l3 import wire
from sidecar.l3.engine import FORGOTTEN_TAGS
from sidecar.model.tags import CROWDED, FOLDED_AT_ONCE, MOST_TAGS, Tags
from sidecar.model.terms import mark_of, terms
from sidecar.model.writes import InvalidateTags, Put, Renew
from tests.l3.tier import Tier


@pytest.fixture
def tier(tmp_path: Path) -> Iterator[Tier]:
    tier = Tier(tmp_path / "db")
    yield tier
    tier.close()


def tagged(tier: Tier, key: bytes, *tags: str, ttl: float = 1000.0) -> Put:
    put = tier.a_put(key, ttl=ttl, terms=terms("ns", tags=tags))
    tier.write(put)
    return put


def invalidate(tier: Tier, *tags: str) -> None:
    tier.write(InvalidateTags([mark_of("ns", tag) for tag in tags], tier.next_seq()))


def test_a_tag_covers_what_carries_it_and_was_written_before(tier: Tier) -> None:
    """Whatever else it carries; entries of another namespace have other tags."""
    tagged(tier, b"ns/a", "red", "blue")
    tagged(tier, b"ns/b", "blue")
    tagged(tier, b"ns/c")
    tier.write(tier.a_put(b"other/d", terms=terms("other", tags=("red",))))
    invalidate(tier, "red")
    tagged(tier, b"ns/e", "red")
    keys = [b"ns/a", b"ns/b", b"ns/c", b"other/d", b"ns/e"]
    assert tier.has(keys) == [False, True, True, True, True]
    assert sorted(tier.keys()) == [b"ns/b", b"ns/c", b"ns/e", b"other/d"]
    tier.crash()
    assert tier.has(keys) == [False, True, True, True, True]
    tier.sweep()
    assert b"ns/a" not in tier.rows()
    assert not tier.engine._tier.tags.any
    tier.reopen()
    assert not tier.engine._tier.tags.any
    assert tier.has(keys) == [False, True, True, True, True]


def test_an_older_version_that_is_sent_late_is_refused(tier: Tier) -> None:
    """As memory does, which writes back what L3 has evicted."""
    late = tier.a_put(b"ns/a", terms=terms("ns", tags=("red",)))
    invalidate(tier, "red")
    tier.write(late)
    assert tier.has([b"ns/a"]) == [False]


def test_what_counts_is_the_last_invalidation(tier: Tier) -> None:
    invalidate(tier, "red", "blue")
    tagged(tier, b"ns/a", "red")
    invalidate(tier, "red")
    tier.reopen()
    assert tier.has([b"ns/a"]) == [False]


def test_more_tags_than_the_table_has_become_a_floor(tier: Tier) -> None:
    """Below it entries with tags are gone, those without stay; over a restart, until a sweep."""
    tagged(tier, b"ns/old", "never invalidated")
    tagged(tier, b"ns/plain")
    count = MOST_TAGS + FOLDED_AT_ONCE // 2
    for start in range(0, count, 1000):
        marks = list(range(start, min(count, start + 1000)))
        tier.write(InvalidateTags(marks, tier.next_seq()))
    tagged(tier, b"ns/new", "never invalidated")
    tagged(tier, b"ns/last", "red")
    for restarted in (False, True):
        keys = [b"ns/old", b"ns/plain", b"ns/new", b"ns/last"]
        assert tier.has(keys) == [False, True, True, True], restarted
        assert len(tier.engine._tier.tags) <= MOST_TAGS
        assert tier.engine._tier.tags.floor > 0
        tier.reopen()
    passes = 0
    while tier.engine._tier.tags.any:
        tier.sweep()
        passes += 1
    assert passes == MOST_TAGS // FORGOTTEN_TAGS
    tier.reopen()
    assert not tier.engine._tier.tags.any
    assert set(tier.rows()) == {b"ns/plain", b"ns/new", b"ns/last"}


def test_a_crowded_table_wants_a_sweep(tier: Tier) -> None:
    """Fewer tags wait for the next one, which would cost more than they do."""
    tier.write(InvalidateTags(list(range(CROWDED - 1)), tier.next_seq()))
    assert not tier.engine.tags_crowded
    tier.write(InvalidateTags([CROWDED], tier.next_seq()))
    assert tier.engine.tags_crowded
    assert not tier.engine.sweep_pays


def test_a_renewed_version_lives_on(tier: Tier) -> None:
    """Only that version, and not if it has expired; its checksum is right."""
    put = tagged(tier, b"ns/a", "red", ttl=10.0)
    tier.now += 5.0
    tier.write(Renew(b"ns/a", put.seq, tier.now + 10.0))
    tier.write(Renew(b"ns/a", put.seq - 1, tier.now + 1000.0))
    tier.write(Renew(b"ns/a", put.seq, tier.now + 1.0))
    row = tier.engine.read([b"ns/a"])[0]
    assert row is not None
    assert wire.decode_record(row).gone_at == tier.now + 10.0
    assert tier.rows()[b"ns/a"][1] == tier.now + 10.0
    tier.now += 20.0
    tier.write(Renew(b"ns/a", put.seq, tier.now + 10.0))
    assert tier.rows()[b"ns/a"][1] < tier.now
    tier.check_counters()


def test_uses_keep_the_tags_of_an_entry(tier: Tier) -> None:
    """A touch writes the metadata anew, by which the sweep finds what is dead."""
    tagged(tier, b"ns/a", "red")
    tier.engine.touch({b"ns/a": 3}, tier.now)
    invalidate(tier, "red")
    tier.sweep()
    assert not tier.rows()


def test_the_oldest_tags_fold_first() -> None:
    """A tag that is invalidated again is young again."""
    tags = Tags(most=4)
    for seq, mark in enumerate((1, 2, 3, 4, 1), start=10):
        assert tags.add(mark, seq) == []
    assert tags.covers([1], 13)
    folded = tags.add(5, 15)
    assert folded == [2, 3, 4, 1]
    assert (tags.floor, len(tags)) == (14, 1)
    assert tags.covers([7], 13)
    assert not tags.covers([7], 14)
    assert not tags.covers([], 0)
    assert tags.forget(13) == []
    assert tags.floor == 14
    assert tags.forget(15) == [5]
    assert not tags.any
