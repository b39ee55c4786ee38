"""Events: their form, and what happens if the server rejects them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sidecar.kube.connection import Connection
from sidecar.kube.events import FORBIDDEN_SECONDS, EventWriter, Pod
from sidecar.kube.ledger import BURST, RESERVED
from sidecar.model.announcement import Announcement
from tests.kube.apiserver import ApiServer
from tests.kube.conftest import until

POD = Pod("shop", "cart-7d4b9", "0c9d6a2e-1111-4222-8333-444455556666")


class Writing:
    """A writer in the background; its waits take no time, but advance its clock."""

    def __init__(self, connection: Connection) -> None:
        self.waits: list[float] = []
        self.skipped = 0.0
        self.asleep = False
        """Whether waits last until the test is over, instead of no time."""
        self.writer = EventWriter(
            connection, POD, rng=random.Random(1), clock=self.now, sleep=self._sleep
        )
        self.task = asyncio.create_task(self.writer.run())

    def now(self) -> float:
        return asyncio.get_running_loop().time() + self.skipped

    def put(
        self, note: str, *, reason: str = "ConfigurationRejected", problem: bool = True
    ) -> None:
        self.writer.put(Announcement(reason, "Configure", note, problem))

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        if self.asleep:
            await asyncio.Event().wait()
        self.skipped += seconds
        await asyncio.sleep(0)


@pytest.fixture
async def writing(server: ApiServer, tmp_path: Path) -> AsyncIterator[Writing]:
    connection = Connection({"KUBECONFIG": str(server.write_kubeconfig(tmp_path / "kube"))})
    begun = Writing(connection)
    yield begun
    begun.task.cancel()
    await asyncio.gather(begun.task, return_exceptions=True)
    await connection.close()


def stored(server: ApiServer) -> list[dict[str, Any]]:
    return list(server.events.stored.values())


async def test_an_event_is_one_that_a_server_takes(server: ApiServer, writing: Writing) -> None:
    """It regards the pod by its UID; otherwise `kubectl describe` would not show it."""
    writing.put("cache.yaml:1: x: unknown key")
    await until(lambda: stored(server))
    [event] = stored(server)
    assert event["reason"] == "ConfigurationRejected"
    assert event["type"] == "Warning"
    assert event["note"] == "cache.yaml:1: x: unknown key"
    assert event["regarding"]["uid"] == POD.uid
    assert event["regarding"]["name"] == POD.name
    assert "series" not in event


async def test_the_same_again_raises_the_count(server: ApiServer, writing: Writing) -> None:
    """The one Event is patched."""
    writing.put("a")
    await until(lambda: stored(server))
    for _ in range(4):
        writing.put("a")
    await until(lambda: stored(server)[0].get("series", {}).get("count") == 5)
    assert len(stored(server)) == 1


async def test_one_that_the_server_has_forgotten_is_created_anew(
    server: ApiServer, writing: Writing
) -> None:
    """The count is kept: a server keeps Events for an hour."""
    writing.put("a")
    await until(lambda: stored(server))
    server.events.stored.clear()
    writing.put("a")
    await until(lambda: stored(server))
    assert stored(server)[0]["series"]["count"] == 2


@pytest.mark.parametrize("note", ["x" * 5000, "\u00e4" * 900, "\ud800" * 10])
async def test_a_note_is_cut_to_what_a_server_takes(
    server: ApiServer, writing: Writing, note: str
) -> None:
    """1,024 bytes, for any characters."""
    writing.put(note)
    await until(lambda: stored(server))


async def test_a_flood_is_written_in_a_burst_and_then_slowly(
    server: ApiServer, writing: Writing
) -> None:
    for number in range(30):
        writing.put(str(number))
    await until(lambda: len(stored(server)) == 30)
    assert sum(writing.waits) >= (30 - BURST - 1) * 60


async def test_a_problem_waits_for_nothing_that_is_none(
    server: ApiServer, writing: Writing
) -> None:
    """Twenty documents were applied, of which most wait for tokens; then one is rejected."""
    writing.asleep = True
    for number in range(20):
        writing.put(f"applied {number}", reason="ConfigurationApplied", problem=False)
    await until(lambda: writing.waits)
    assert len(stored(server)) == BURST - RESERVED
    writing.put("cache.yaml:1: x: unknown key")
    await until(lambda: [event for event in stored(server) if event["type"] == "Warning"])


async def test_a_missing_right_is_said_once_and_then_left_alone_for_long(
    server: ApiServer, writing: Writing
) -> None:
    """Until the next attempt, events are dropped; once granted, the right is used."""
    server.faults.statuses = {"create": 403}
    for number in range(50):
        writing.put(str(number))
    await until(lambda: server.count("create") == 1)
    await until(lambda: writing.now() < writing.writer.silenced_until)
    writing.put("unheard")
    server.faults.statuses = {}
    writing.skipped += FORBIDDEN_SECONDS
    writing.put("heard")
    await until(lambda: stored(server))
    assert [event["note"] for event in stored(server)] == ["heard"]
    assert server.count("create") == 2


async def test_whatever_is_forbidden_the_server_says_why(
    server: ApiServer, writing: Writing
) -> None:
    """A right is not the only reason: a quota, or a namespace that is being deleted."""
    server.faults.error_body = b'{"message": "exceeded quota: events"}'
    server.faults.statuses = {"create": 403}
    with capture_logs() as logs:
        writing.put("refused")
        await until(lambda: logs)
    assert "It answered: exceeded quota: events" in logs[0]["why"]


async def test_what_fails_is_tried_again_after_a_wait(server: ApiServer, writing: Writing) -> None:
    """After 500, and while the server is down; nothing is lost."""
    server.faults.statuses = {"create": 500}
    writing.put("a")
    await until(lambda: len(writing.waits) > 3)
    await server.stop()
    waits = len(writing.waits)
    await until(lambda: len(writing.waits) > waits + 3)
    server.faults.statuses = {}
    await server.start()
    await until(lambda: stored(server))


async def test_what_is_refused_for_good_is_not_tried_again(
    server: ApiServer, writing: Writing
) -> None:
    """The next one is written."""
    server.faults.statuses = {"create": 422}
    writing.put("bad")
    await until(lambda: writing.waits)
    server.faults.statuses = {}
    writing.put("good")
    await until(lambda: stored(server))
    assert [event["note"] for event in stored(server)] == ["good"]
