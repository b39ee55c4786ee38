"""When the next slice of the sweep is due.

It keeps a processor busy only where it finds something, and not even there where it is paced.
"""

from __future__ import annotations

PAUSE_SECONDS = 60.0
"""Between two passes."""
REST = 19
"""A slice that finds little is followed by so many times its own length of rest."""


class Sweeping:
    """Told of every slice. `pace` is a share of the usual speed; the clock is the caller's."""

    def __init__(self) -> None:
        self.pace = 1.0
        self._ended_at = 0.0
        self._took = 0.0
        self._at_end = False

    def due(self, *, pays: bool) -> float:
        """When to go on; `pays` is whether there is much to find."""
        if pays:
            return self._ended_at + self._took * max(0.0, 1 / self.pace - 1)
        if self._at_end:
            return self._ended_at + PAUSE_SECONDS / self.pace
        return self._ended_at + self._took * max(0.0, (1 + REST) / self.pace - 1)

    def swept(self, began_at: float, ended_at: float, *, at_end: bool) -> None:
        """A slice has been done, and with it the pass if `at_end`."""
        self._took = ended_at - began_at
        self._ended_at = ended_at
        self._at_end = at_end
