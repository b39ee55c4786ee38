"""One ConfigMap as the source of documents: listed, then watched, indefinitely.

Nested generators, one for each way to end: `_watch` is one request, which ends or is interrupted;
`_after` then resumes from the last version; `sightings` lists again if it is impossible to resume
from a version. After the end of a watch and after a failed list, it waits for the back-off, except
where nothing has failed: a version that is too old, or a watch without news.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import aiohttp
import msgspec

from sidecar.kube.backoff import Backoff
from sidecar.kube.configmap import ConfigMap, ConfigMapList, WatchEvent
from sidecar.kube.lines import Lines
from sidecar.kube.trouble import (
    NOT_DECODED,
    Dropped,
    Forbidden,
    Gone,
    Refused,
    Silent,
    Status,
    Trouble,
    Unauthorized,
    refusal,
    refused,
)
from sidecar.model.clock import Clock

if TYPE_CHECKING:
    from sidecar.kube.connection import Connection  # it loads the official client

SILENCE_SECONDS = 75.0
"""After this long without data, a list tells whether the server still answers.

A server sends a bookmark about every minute, unless etcd reports progress only every ten minutes,
which is its default.
"""
SHORTEST_WATCH_SECONDS = 300
LONGEST_WATCH_SECONDS = 600
"""The range of a watch's random timeout, so that the watches of all pods do not end at once."""

Sighting = ConfigMap | None
"""None if the ConfigMap does not exist, or was deleted."""

T = TypeVar("T")

_KINDS = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK"})


class Source:
    """The ConfigMap `namespace/name`.

    `on_contact` is called after each successful response, `on_trouble` after each failure. `clock`
    and `sleep` are for waits; the clock is monotonic.
    """

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        name: str,
        *,
        on_contact: Callable[[], None],
        on_trouble: Callable[[Trouble], None],
        rng: random.Random,
        silence_seconds: float = SILENCE_SECONDS,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._name = name
        self._path = f"/api/v1/namespaces/{namespace}/configmaps"
        self._on_contact = on_contact
        self._on_trouble = on_trouble
        self._rng = rng
        self._backoff = Backoff(rng)
        self._silence_seconds = silence_seconds
        self._clock = clock
        self._sleep = sleep

    async def sightings(self) -> AsyncGenerator[Sighting]:
        """The current state, and then every change. Ends only with cancellation or `aclose`."""
        while True:
            try:
                sighting, version = await self._list()
            except Trouble as trouble:
                await self._recover(trouble)
                continue
            yield sighting
            async with aclosing(self._after(version)) as later:
                async for sighting in later:
                    yield sighting

    async def _after(self, version: str) -> AsyncGenerator[Sighting]:
        """The changes since a version. Ends if it is impossible to resume from the last one seen.

        That is the case if the version is too old, if an event after it is an error or cannot be
        decoded, and if a watch ended without any event: a server whose data was restored from a
        backup does not have that version yet, and sends nothing.
        """
        listed = True
        while True:
            heard, trouble = False, None
            longest = self._rng.randint(SHORTEST_WATCH_SECONDS, LONGEST_WATCH_SECONDS)
            due = self._clock() + longest
            try:
                async with aclosing(self._watch(version, longest)) as events:
                    async for kind, found in events:
                        heard, version = True, found.metadata.resource_version
                        if kind != "BOOKMARK" and found.metadata.name == self._name:
                            yield None if kind == "DELETED" else found
            except Trouble as caught:
                trouble = caught
            # Only a server that refuses the version of its own list has failed.
            expected = isinstance(trouble, Gone) and (heard or not listed)
            if isinstance(trouble, Silent) or (expected and not heard):
                return  # at once: no request has failed since the last wait
            # A server that is going away ends the watches of all pods before they are due.
            early = trouble is None and self._clock() < due
            await self._recover(None if expected else trouble, ended=early)
            if not (trouble.resumable if trouble else heard):
                return
            listed = False

    async def _watch(
        self, version: str, longest_seconds: int
    ) -> AsyncGenerator[tuple[str, ConfigMap]]:
        """The events of one watch; a bookmark has only a version. Raises Trouble."""
        query = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(longest_seconds),
        }
        lines = Lines()
        async with self._request("watch", query, self._silence_seconds) as answer:
            try:
                async for chunk in answer.content.iter_any():
                    for line in lines.feed(chunk):
                        event = _decode(line, WatchEvent)
                        if event.type == "ERROR":
                            raise self._refusal("watch", _decode(event.object, Status))
                        self._on_contact()
                        if event.type in _KINDS:
                            yield event.type, _decode(event.object, ConfigMap)
            except Refused as refused:  # resuming from the same version would give the same event
                refused.resumable = False
                raise

    async def _list(self) -> tuple[Sighting, str]:
        """The current state, and the version to watch from. Raises Trouble."""
        async with self._request("list", {}) as answer:
            found = _decode(await answer.read(), ConfigMapList)
        named = (it for it in found.items or () if it.metadata.name == self._name)
        return next(named, None), found.metadata.resource_version

    # ---- one request

    @asynccontextmanager
    async def _request(
        self, verb: str, query: Mapping[str, str], silence_seconds: float | None = None
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """A successful response. Raises Trouble."""
        selected = {"fieldSelector": f"metadata.name={self._name}", **query}
        async with self._connection.request(
            "GET", self._path, query=selected, silence_seconds=silence_seconds
        ) as answer:
            if answer.status != 200:
                status = await refused(answer)
                raise self._refusal(verb, status)
            self._on_contact()
            yield answer

    def _refusal(self, verb: str, status: Status) -> Trouble:
        if status.code == 403:
            return Forbidden(
                f"The API server denied the verb {verb} on ConfigMap {self._namespace}/{self._name}"
                f" (403). Bind the pod's service account to a Role in namespace {self._namespace}"
                ' with the rule {apiGroups: [""], resources: [configmaps], resourceNames: '
                f"[{self._name}], verbs: [get, list, watch]}}. It answered: {status.message}"
            )
        return refusal(status)

    # ---- between requests

    async def _recover(self, trouble: Trouble | None, *, ended: bool = False) -> None:
        """Report the failure, wait, and read the credentials and the address again if needed.

        `ended` if the watches of all clients ended at the same moment, without a failure.
        """
        if trouble is not None:
            self._on_trouble(trouble)
        wait = self._backoff.wait_seconds(
            self._clock(),
            shared=trouble is not None and trouble.shared,
            ended=ended,
            at_least=trouble.retry_after_seconds if trouble else 0.0,
        )
        await self._sleep(wait)
        if isinstance(trouble, (Unauthorized, Dropped)):
            await self._connection.close()


def _decode(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except NOT_DECODED as error:
        raise Refused(f"The API server's response cannot be decoded: {error}.") from None
