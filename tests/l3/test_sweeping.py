"""When the sweep continues, and how it is paced."""

from __future__ import annotations

from pathlib import Path

from sidecar.l3 import wire
from sidecar.l3.sweeping import PAUSE_SECONDS, Sweeping
from sidecar.model.writes import Invalidate
from tests.l3.conftest import StartChild


def test_a_slice_is_followed_by_rest() -> None:
    """99 times its length if it finds little, none if it finds a lot; a minute after a pass."""
    sweeping = Sweeping()
    assert sweeping.due(pays=False) == 0.0
    sweeping.swept(100.0, 100.5, at_end=False)
    assert sweeping.due(pays=True) == 100.5
    assert sweeping.due(pays=False) == 100.5 + 99 * 0.5
    sweeping.swept(200.0, 200.5, at_end=True)
    assert sweeping.due(pays=False) == 200.5 + PAUSE_SECONDS


def test_at_a_quarter_of_the_pace_all_takes_four_times_as_long() -> None:
    """This applies to a slice and its rest together."""
    sweeping = Sweeping()
    sweeping.pace = 0.25
    sweeping.swept(100.0, 100.5, at_end=False)
    assert sweeping.due(pays=True) == 100.0 + 4 * 0.5
    assert sweeping.due(pays=False) == 100.0 + 4 * 50.0
    sweeping.swept(200.0, 200.5, at_end=True)
    assert sweeping.due(pays=False) == 200.5 + 4 * PAUSE_SECONDS


def test_the_child_keeps_the_pace(tmp_path: Path, start_child: StartChild) -> None:
    """Invalidated entries remain while it rests, and are removed when it runs."""
    child = start_child(tmp_path)
    child.hello()
    for n in range(1, 50):
        child.put(b"ns/%d" % n, b"value", n)
    child.send(call=wire.Configure("sidecar.policies.lru:score", 1000, 1 << 40, pace=1e-9))
    child.send(Invalidate(b"ns/", 1000))
    while (status := child.status()).invalidations == 0:
        pass
    assert [child.status().invalidations for _ in range(2)] == [1, 1]
    child.send(call=wire.Configure("sidecar.policies.lru:score", 1000, 1 << 40))
    while (status := child.status()).invalidations:
        pass
    assert status.entries == 0
