"""FIFO: only the order of arrival counts."""

from __future__ import annotations

from sidecar.policies.fifo import Fifo
from sidecar.testing.traces import Keyed, drain, insert, letters, replay


def test_a_worked_trace() -> None:
    """A B A C A at size 2: the hit does not prevent C from evicting A."""
    assert replay(Keyed(Fifo()), letters("A B A C A"), entries=2) == "mmhmm"


def test_fifo_shows_beladys_anomaly() -> None:
    """Belady's example: nine misses with three entries, and ten with four."""
    trace = letters("1 2 3 4 1 2 5 1 2 3 4 5")
    assert replay(Keyed(Fifo()), trace, entries=3).count("m") == 9
    assert replay(Keyed(Fifo()), trace, entries=4).count("m") == 10


def test_fifo_takes_no_notice_of_a_replaced_value() -> None:
    """The key keeps its position in the queue."""
    policy = Keyed(Fifo())
    insert(policy, letters("A B C"))
    policy.update(b"A", 9.0)
    assert drain(policy) == letters("A B C")
