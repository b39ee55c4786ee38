"""What is remembered of keys for which an origin gave no value that may be stored."""

from __future__ import annotations

import time

from sidecar.model.clock import Clock

MOST_KEYS = 4096
UNSHARED_SECONDS = 10.0
"""How long a key is not loaded for several at once after a response that may not be stored: they
would wait for each other (hit-for-miss in Varnish)."""


class Remembered:
    """Keys that the origin does not have, with the status that it said; and keys whose responses
    are for single callers. Both for a time, of the oldest no more than MOST_KEYS.
    """

    def __init__(self, monotonic: Clock = time.monotonic) -> None:
        self._monotonic = monotonic
        self._absent: dict[bytes, tuple[int, float]] = {}
        self._unshared: dict[bytes, float] = {}

    def absent(self, key: bytes) -> int | None:
        """The status with which the origin said that there is none; None if it did not."""
        found = self._absent.get(key)
        if found is None or found[1] <= self._monotonic():
            self._absent.pop(key, None)
            return None
        return found[0]

    def note_absent(self, key: bytes, status: int, seconds: float) -> None:
        if seconds > 0:
            self._absent[key] = status, self._monotonic() + seconds
            _bound(self._absent)

    def is_unshared(self, key: bytes) -> bool:
        until = self._unshared.get(key, 0.0)
        if until <= self._monotonic():
            self._unshared.pop(key, None)
            return False
        return True

    def note_unshared(self, key: bytes) -> None:
        self._unshared[key] = self._monotonic() + UNSHARED_SECONDS
        _bound(self._unshared)

    # ---- as one who follows what changes

    def changed(self, key: bytes) -> None:
        self._absent.pop(key, None)

    def scope_changed(self, scope: bytes) -> None:
        for key in [key for key in self._absent if key.startswith(scope)]:
            del self._absent[key]

    def tags_changed(self) -> None:
        """What is absent has no tags."""


def _bound(
    table: dict[bytes, object] | dict[bytes, float] | dict[bytes, tuple[int, float]],
) -> None:
    if len(table) > MOST_KEYS:
        table.pop(next(iter(table)))
