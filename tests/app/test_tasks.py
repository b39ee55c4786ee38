"""Background tasks: restarted when they fail, and cancelled when the sidecar must end."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from sidecar.app.tasks import attempt, cancel, supervise, unless_hurried

PATIENCE_SECONDS = 20.0


class Flaky:
    """Work that fails a given number of times, and then ends."""

    def __init__(self, failures: int) -> None:
        self.runs = 0
        self._failures = failures

    async def __call__(self) -> None:
        self.runs += 1
        if self.runs <= self._failures:
            raise RuntimeError("a failure")


async def test_a_supervised_task_is_started_again_until_it_ends() -> None:
    """Each failure is logged with the name of the task."""
    work = Flaky(failures=1)
    with capture_logs() as logged:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await supervise("flaky", work)
    assert work.runs == 2
    assert [(it["task"], it["log_level"]) for it in logged] == [("flaky", "error")]


async def test_an_attempt_is_made_once() -> None:
    work = Flaky(failures=1)
    with capture_logs() as logged:
        await attempt("flaky", work)
    assert work.runs == 1
    assert [it["event"] for it in logged] == ["A background task failed"]


async def test_a_supervised_task_can_be_cancelled() -> None:
    """It has ended then, whatever it was doing."""
    forever = asyncio.Event()
    task: asyncio.Task[object] = asyncio.create_task(supervise("forever", forever.wait))
    await asyncio.sleep(0)
    await cancel([task])
    assert task.cancelled()


async def test_who_hurries_cuts_work_short() -> None:
    """Work that ends early is not waited for any longer, and its error is dropped: the sidecar
    still ends.
    """
    hurry, forever = asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await unless_hurried(hurry, asyncio.sleep(0))
        await unless_hurried(hurry, Flaky(failures=1)())
        waiting = asyncio.create_task(unless_hurried(hurry, forever.wait()))
        await asyncio.sleep(0)
        assert not waiting.done()
        hurry.set()
        await waiting
