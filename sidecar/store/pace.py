"""The speed of background work: a pause after each slice, in proportion to its duration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Rest = Callable[[float, float], Awaitable[None]]
"""Called with the seconds that a slice took, and the pace."""


def rest_seconds(worked_seconds: float, pace: float) -> float:
    """The pause after a slice, so that work runs at `pace`, a fraction of its full speed."""
    return worked_seconds * max(0.0, 1 / pace - 1)


async def rest_after(worked_seconds: float, pace: float) -> None:
    """Pause; always yields to other tasks."""
    await asyncio.sleep(rest_seconds(worked_seconds, pace))
