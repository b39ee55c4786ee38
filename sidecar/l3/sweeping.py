"""When the next slice of the sweep is due.

The sweep uses a full CPU only while it finds dead rows and is not paced; otherwise a hundredth.
"""

from __future__ import annotations

PAUSE_SECONDS = 60.0
"""The pause between two passes."""
REST = 99
"""The pause after a slice that finds little, as a multiple of its duration. With ten million
entries a pass that finds nothing takes a quarter of an hour; a faster one would slow every read."""


class Sweeping:
    """Receives every slice. `pace` is a fraction of the normal speed; time is a parameter."""

    def __init__(self) -> None:
        self.pace = 1.0
        self._ended_at = 0.0
        self._took = 0.0
        self._at_end = False

    def due(self, *, pays: bool, wanted: bool = False) -> float:
        """When to continue; `pays` is whether the sweep finds much, and `wanted`, whether the next
        pass is to follow this one.
        """
        if pays:
            return self._ended_at + self._took * max(0.0, 1 / self.pace - 1)
        if self._at_end and not wanted:
            return self._ended_at + PAUSE_SECONDS / self.pace
        return self._ended_at + self._took * max(0.0, (1 + REST) / self.pace - 1)

    def swept(self, began_at: float, ended_at: float, *, at_end: bool) -> None:
        """Record a slice, and with it the end of the pass if `at_end`."""
        self._took = ended_at - began_at
        self._ended_at = ended_at
        self._at_end = at_end
