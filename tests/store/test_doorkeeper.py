"""Detecting the second put of a key."""

from __future__ import annotations

from sidecar.store.doorkeeper import BYTES, MOST_KEYS, Doorkeeper


def test_a_key_is_known_when_it_comes_again() -> None:
    """Hardly any other key is reported as known."""
    doorkeeper = Doorkeeper()
    keys = [b"ns/%d" % n for n in range(MOST_KEYS // 2)]
    assert sum(doorkeeper.knows(key) for key in keys) < len(keys) / 80
    assert all(doorkeeper.knows(key) for key in keys)


def test_it_forgets_all_when_it_is_full() -> None:
    """So its memory is bounded, and it does not come to report every key as known."""
    doorkeeper = Doorkeeper()
    new = sum(not doorkeeper.knows(b"ns/%d" % n) for n in range(3 * MOST_KEYS))
    assert new > 3 * MOST_KEYS * 0.98
    assert len(doorkeeper._bits) == BYTES
    assert sum(doorkeeper.knows(b"ns/%d" % n) for n in range(1_000)) < 100
