"""Events for this pod (`events.k8s.io/v1`), which `kubectl describe pod` shows.

Nothing waits for Events or depends on them. If the permission to create them is missing, this is
logged once, and none is created for FORBIDDEN_SECONDS.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from sidecar.kube.backoff import Backoff
from sidecar.kube.ledger import Ledger, Series
from sidecar.kube.trouble import Forbidden, Refused, Trouble, refusal, refused
from sidecar.model.announcement import Announcement
from sidecar.model.clock import Clock

if TYPE_CHECKING:
    from sidecar.kube.connection import Connection  # it loads the official client

CONTROLLER = "cache-sidecar"
MAX_NOTE_BYTES = 1024
MAX_NAME_CHARACTERS = 253
FORBIDDEN_SECONDS = 3600.0
"""How long no Event is created after the permission was found missing."""

log = structlog.get_logger("sidecar.kube")


@dataclass(frozen=True, slots=True)
class Pod:
    """This pod. Without the UID, `kubectl describe` shows none of its Events."""

    namespace: str
    name: str
    uid: str


class EventWriter:
    """Creates the Events passed to `put`, in the background. `sleep` and `clock` are for waits."""

    def __init__(
        self,
        connection: Connection,
        pod: Pod,
        *,
        rng: random.Random,
        clock: Clock = time.monotonic,
        wall: Clock = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._connection = connection
        self._pod = pod
        self._path = f"/apis/events.k8s.io/v1/namespaces/{pod.namespace}/events"
        self._ledger = Ledger(clock, wall)
        self._backoff = Backoff(rng)
        self._clock = clock
        self._sleep = sleep
        self._told = asyncio.Event()
        self.silenced_until = float("-inf")
        """Until this time of the clock, announcements are dropped."""
        self._forbidden = False

    def put(self, announcement: Announcement) -> None:
        """Never blocks and never fails."""
        if self._clock() >= self.silenced_until:
            self._ledger.put(announcement)
            self._told.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._told.clear()
            while (series := self._ledger.due()) is not None:
                await self._try(series)
            await self._until_due()

    async def _until_due(self) -> None:
        """Until there is a token for what waits, or something is put, which may need no wait."""
        waits: list[asyncio.Future[object]] = [asyncio.create_task(self._told.wait())]
        if self._ledger.waiting:
            waits.append(asyncio.ensure_future(self._sleep(self._ledger.wait_seconds())))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _try(self, series: Series) -> None:
        count = series.count
        try:
            await self._write(series)
        except Forbidden as trouble:
            if not self._forbidden:
                log.warning("Events cannot be created", why=str(trouble))
            self._forbidden = True
            self.silenced_until = self._clock() + FORBIDDEN_SECONDS
            self._ledger.forget()
        except Trouble as trouble:
            log.debug("Event not created", why=str(trouble))
            if isinstance(trouble, Refused) and trouble.final:
                series.written = count  # it would be rejected again
            await self._sleep(self._backoff.wait_seconds(self._clock(), shared=trouble.shared))
        else:
            self._forbidden = False
            series.written = count

    async def _write(self, series: Series) -> None:
        """Patch the existing Event, or create it. Raises Trouble."""
        if series.name is not None:
            patch = {"series": _series(series)}
            kind = {"Content-Type": "application/merge-patch+json"}
            if await self._send("PATCH", f"{self._path}/{series.name}", patch, kind):
                return
        name = f"{self._pod.name}"[: MAX_NAME_CHARACTERS - 17] + "." + secrets.token_hex(8)
        await self._send("POST", self._path, self._event(name, series), {})
        series.name = name

    async def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> bool:
        """False if the Event no longer exists. Raises Trouble."""
        async with self._connection.request(method, path, headers=headers, body=body) as answer:
            if answer.status < 300:
                return True
            if answer.status == 404 and method == "PATCH":
                return False
            status = await refused(answer)
        if status.code == 403:
            raise Forbidden(
                "The API server denied Events (403). Bind the service account to a Role in "
                f"namespace {self._pod.namespace} with the rule "
                "{apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}. "
                f"It answered: {status.message}"
            )
        raise refusal(status)

    def _event(self, name: str, series: Series) -> dict[str, Any]:
        announcement, pod = series.announcement, self._pod
        body: dict[str, Any] = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": pod.namespace},
            "eventTime": _micro_time(series.first_at),
            "reportingController": CONTROLLER,
            "reportingInstance": pod.name[:128],
            "action": announcement.action,
            "reason": announcement.reason,
            "regarding": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": pod.namespace,
                "name": pod.name,
                "uid": pod.uid,
            },
            "note": _cut(announcement.note),
            "type": "Warning" if announcement.problem else "Normal",
        }
        if series.count > 1:
            body["series"] = _series(series)
        return body


def _series(series: Series) -> dict[str, Any]:
    return {"count": series.count, "lastObservedTime": _micro_time(series.last_at)}


def _micro_time(seconds: float) -> str:
    """A timestamp with six decimals, which the server requires."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _cut(note: str) -> str:
    """Cut to the limit, which is documented in characters, but counts bytes."""
    if len(note.encode(errors="replace")) <= MAX_NOTE_BYTES:
        return note.encode(errors="replace").decode()
    head = note.encode(errors="replace")[: MAX_NOTE_BYTES - 3]
    return head.decode(errors="ignore") + "..."
