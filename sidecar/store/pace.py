"""How fast work in the background goes: it rests after each slice of it, in proportion."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Rest = Callable[[float, float], Awaitable[None]]
"""Given the seconds that a slice took, and the pace."""


def rest_seconds(worked_seconds: float, pace: float) -> float:
    """How long to rest after a slice so that work goes at `pace`, a share of its full speed."""
    return worked_seconds * max(0.0, 1 / pace - 1)


async def rest_after(worked_seconds: float, pace: float) -> None:
    """Rest, and let others go first in any case."""
    await asyncio.sleep(rest_seconds(worked_seconds, pace))
