"""Whoever waits for L3 gets its answer, also behind one whose callback fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sidecar.l3 import wire
from sidecar.model.answers import Status
from sidecar.model.writes import NEW, Delete
from sidecar.tiers.disk import UNANSWERED, Ack, Disk, Read


@pytest.mark.parametrize(
    ("happens", "ack"),
    [
        (lambda disk: disk.feed(wire.Reply([], [NEW] * 3, [])), NEW),
        (lambda disk: disk.expire(disk.monotonic() + 60), UNANSWERED),
        (lambda disk: disk.give_up(), None),
    ],
)
def test_an_error_in_a_callback_concerns_no_other(
    happens: Callable[[Disk[Read]], object], ack: Ack
) -> None:
    disk: Disk[Read] = Disk(lambda: 1000.0)
    disk.feed(wire.Reply([], [], [], status=Status(0, 0, 0, 0, 0, 0, 0, 0, False, False)))
    heard: list[tuple[str, Ack]] = []

    def failing(given: Ack) -> None:
        heard.append(("failing", given))
        raise RuntimeError("a callback fails")

    disk.write(Delete(b"a/1", 1), None, lambda given: heard.append(("first", given)))
    disk.write(Delete(b"a/2", 2), None, failing)
    disk.write(Delete(b"a/3", 3), None, lambda given: heard.append(("last", given)))
    disk.take(at_once=True)
    happens(disk)
    assert heard == [("first", ack), ("failing", ack), ("last", ack)]
