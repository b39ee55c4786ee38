"""Where the system gives few descriptors, connections leave some for probes."""

from __future__ import annotations

import pytest

from sidecar.app import listeners
from sidecar.app.listeners import OTHER_DESCRIPTORS, data_limits
from sidecar.serving.limits import OPS_LIMITS, Limits
from sidecar.serving.paced import MOST_WAITING

FILES = 40
"""Those of a process without connections, and some more."""


@pytest.mark.parametrize("most", [256, 400, 512, 600, 1024, 2048, 2448, 4096, 1 << 20])
def test_there_are_always_some_left(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Sockets of the ops port that wait make room, so they need none of their own."""
    monkeypatch.setattr(listeners, "most_descriptors", lambda: most)
    limits = data_limits()
    taken = limits.connections + limits.refusals + FILES
    assert taken + OPS_LIMITS.connections + OPS_LIMITS.refusals < most
    assert limits.connections >= min(Limits().connections, most // 4)
    assert limits.connections <= max(most - OTHER_DESCRIPTORS, most // 4)
    if most >= 4096:
        assert taken + OPS_LIMITS.connections + OPS_LIMITS.refusals + MOST_WAITING < most


def test_without_a_limit_all_may_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "most_descriptors", lambda: None)
    assert data_limits() == Limits()
