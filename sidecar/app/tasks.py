"""Background tasks: supervised, cancelled, and cut short when the sidecar has to stop soon."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

RESTART_SECONDS = 1.0
"""The delay before a failed background task is restarted."""

Work = Callable[[], Awaitable[object]]

log = structlog.get_logger("sidecar.app")


async def supervise(name: str, work: Work) -> None:
    """Run `work` to its end; start it again whenever it fails."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("A background task failed and is started again", task=name)
            await asyncio.sleep(RESTART_SECONDS)
        else:
            return


async def attempt(name: str, work: Work) -> None:
    """Run `work` once."""
    try:
        await work()
    except Exception:
        log.exception("A background task failed", task=name)


async def cancel(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancel tasks and wait until they have ended."""
    cancelled = list(tasks)
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)


async def unless_hurried(hurry: asyncio.Event, work: Awaitable[object]) -> None:
    """Await `work`, but cancel it once `hurry` is set. What it raises is dropped."""
    tasks = asyncio.ensure_future(work), asyncio.ensure_future(hurry.wait())
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await cancel(tasks)
