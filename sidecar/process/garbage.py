"""Garbage collections of this process: their number and duration, and the tracked objects."""

from __future__ import annotations

import gc
import time
from typing import Any

GENERATIONS = (0, 1, 2)
COUNT_SECONDS = 60.0
"""How often the tracked objects are counted, which takes 10 ms for a million."""


class Collections:
    """Counts collections from `watch` on, through `gc.callbacks`, until `close`."""

    def __init__(self) -> None:
        self._counts = [0, 0, 0]
        self._pauses = [0.0, 0.0, 0.0]
        self._started = 0.0
        self._tracked = 0
        self._counted_at = float("-inf")

    def watch(self) -> None:
        gc.callbacks.append(self._on_collection)

    def close(self) -> None:
        gc.callbacks.remove(self._on_collection)

    def readings(self, now: float) -> dict[str, float]:
        """The raw readings; the tracked objects are counted every COUNT_SECONDS."""
        if now - self._counted_at >= COUNT_SECONDS:
            self._counted_at = now
            self._tracked = len(gc.get_objects())
        found: dict[str, float] = {"gc.tracked_objects": self._tracked}
        for number in GENERATIONS:
            found[f"gc.gen{number}.collections"] = self._counts[number]
            found[f"gc.gen{number}.pause_seconds"] = self._pauses[number]
        return found

    def _on_collection(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._started = time.perf_counter()
            return
        generation = info["generation"]
        self._counts[generation] += 1
        self._pauses[generation] += time.perf_counter() - self._started
