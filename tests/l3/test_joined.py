"""Writes that are joined are one batch, whatever room the folder has."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sidecar.l3 import wire
from sidecar.l3.child import end_of_batch
from sidecar.model.writes import Delete, Write
from tests.l3.conftest import OpenTier, StartChild

MIB = 1 << 20


def test_what_is_joined_is_one_batch_in_a_folder_that_is_nearly_full(
    tmp_path: Path, start_child: StartChild
) -> None:
    """It waits until there is room for all that it makes dead, and so do those behind it."""
    child = start_child(tmp_path)
    child.hello()
    keys = [b"ns/%d" % number for number in range(30)]
    for seq, key in enumerate([*keys, *keys[:20]], 1):
        child.put(key, random.Random(seq).randbytes(MIB), seq)
    seqs = range(51, 72)
    child.send(*map(Delete, keys[:20], seqs), Delete(keys[20], 71), joined=[*range(1, 20)])
    while not (acks := child.receive().writes):
        pass
    assert len(acks) >= 20
    child.answers(writes=21 - len(acks))
    assert child.values(keys[:20]) == [None] * 20


@pytest.mark.parametrize(
    ("most", "end"), [(1, 1), (2, 2), (3, 2), (4, 2), (5, 5), (6, 6), (7, 7), (9, 7)]
)
def test_a_frame_is_divided_between_groups_only(most: int, end: int) -> None:
    writes: list[Write] = [Delete(b"ns/%d" % seq, seq) for seq in range(7)]
    frame = wire.Request(0.0, 0.0, False, [], writes, [], None, [3, 4])
    assert end_of_batch(frame, most) == end
    frame.joined = [1, 2, 3, 4]
    assert end_of_batch(frame, most) == (end if end > 4 else 0)


def test_where_all_of_l3_may_be_replaced_nothing_waits(open_tier: OpenTier) -> None:
    """An empty L3 has no average size, and nothing in it can become dead."""
    tier = open_tier()
    assert tier.engine.entries_in(0) >= wire.MAX_FRAME_WRITES
    tier.put(b"ns/a", b"x" * 1000)
    tier.put(b"ns/b", b"x" * 1000)
    used = tier.engine.used_bytes
    assert tier.engine.entries_in(used) >= wire.MAX_FRAME_WRITES
    assert tier.engine.entries_in(used - 1) == 1
    assert tier.engine.entries_in(0) == 1
