"""Which touches wait, and when the next batch is due."""

from __future__ import annotations

import math
from pathlib import Path

from sidecar.l3.touching import MAX_TOUCHES, TOUCHES_AT_ONCE, Touching
from tests.l3.children import put
from tests.l3.conftest import StartChild


def test_nothing_is_due_without_touches() -> None:
    """The child sleeps until something else is."""
    touching = Touching()
    assert touching.due() == math.inf
    touching.add(b"a", 1)
    assert touching.due() == 0.0
    assert touching.take() == {b"a": 1}
    assert touching.due() == math.inf


def test_batches_take_a_fortieth_of_the_time() -> None:
    """They begin 20 ms apart at least, and 2 s at most, if the disk was slow once."""
    touching = Touching()
    touching.add(b"a", 1)
    for took, pause in ((0.0, 0.02), (0.0005, 0.02), (0.025, 1.0), (30.0, 2.0)):
        touching.touched(0.0, took)
        assert touching.due() == pause


def test_touches_of_one_entry_are_added_up() -> None:
    """They keep the place of the first of them; a batch has those that waited the longest."""
    touching = Touching()
    for n in range(TOUCHES_AT_ONCE + 1):
        touching.add(b"%d" % n, 1)
    touching.add(b"0", 2)
    assert touching.take() == {b"0": 3} | {b"%d" % n: 1 for n in range(1, TOUCHES_AT_ONCE)}
    assert touching.take() == {b"%d" % TOUCHES_AT_ONCE: 1}


def test_waiting_touches_are_bounded() -> None:
    """Those of further entries are dropped, not those of the waiting ones."""
    touching = Touching()
    for n in range(MAX_TOUCHES + 10):
        touching.add(b"%d" % n, 1)
    touching.add(b"0", 1)
    waiting: dict[bytes, int] = {}
    while batch := touching.take():
        waiting |= batch
    assert len(waiting) == MAX_TOUCHES
    assert waiting[b"0"] == 2


def test_the_child_sleeps_until_touches_are_due(tmp_path: Path, start_child: StartChild) -> None:
    """It does not wake each millisecond meanwhile. A busy machine only makes it wake less often."""
    child = start_child(tmp_path)
    child.hello()
    keys = [b"ns/%d" % n for n in range(MAX_TOUCHES)]
    child.send(*(put(key, b"value", n + 1) for n, key in enumerate(keys)))
    child.answers(writes=len(keys))
    child.send(reads=keys)
    child.answers(reads=len(keys))
    before = child.wakes()
    statuses = [child.status() for _ in range(20)]  # within the time of 64 batches
    assert child.wakes() - before < 10 * len(statuses)
