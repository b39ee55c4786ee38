"""The watches of a server: past events, new events, bookmarks, and their ends."""

from __future__ import annotations

import asyncio
import json
import time

from aiohttp import web

from tests.kube.faults import Faults
from tests.kube.objects import ConfigMaps, EventType, Object, RefusedError, gone


class Watches:
    """All open watches."""

    def __init__(self, configmaps: ConfigMaps, faults: Faults) -> None:
        self._configmaps = configmaps
        self._faults = faults
        self._open: dict[asyncio.Transport, asyncio.Queue[tuple[str, Object]]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def drop(self) -> None:
        """Break off all watches in the middle of their payload."""
        for transport in self._open:
            transport.abort()

    def end(self) -> None:
        """End all watches, as after `timeoutSeconds`."""
        for queue in self._open.values():
            queue.put_nowait(("END", {}))

    async def serve(
        self, request: web.Request, namespace: str, name: str | None, version: str
    ) -> web.StreamResponse:
        queue: asyncio.Queue[tuple[str, Object]] = asyncio.Queue()

        def listen(kind: EventType, found: Object) -> None:
            metadata = found["metadata"]
            if metadata["namespace"] == namespace and name in (None, metadata["name"]):
                queue.put_nowait((kind, found))

        try:
            if version in ("", "0"):
                for found in self._configmaps.found(namespace, name):
                    listen("ADDED", found)
            elif self._faults.forgetful:
                raise gone()
            else:
                for kind, found in self._configmaps.since(int(version)):
                    listen(kind, found)
        except RefusedError as refusal:
            if not self._faults.gone_as_event:
                raise
            queue.put_nowait(("ERROR", refusal.status()))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        assert request.transport is not None
        transport = request.transport
        self._open[transport] = queue
        self._configmaps.listeners.append(listen)
        try:
            await response.prepare(request)
            await self._stream(request, response, queue, from_the_future=self._future(version))
        finally:
            self._configmaps.listeners.remove(listen)
            del self._open[transport]
        return response

    async def _stream(
        self,
        request: web.Request,
        response: web.StreamResponse,
        queue: asyncio.Queue[tuple[str, Object]],
        *,
        from_the_future: bool,
    ) -> None:
        """Until `timeoutSeconds` or an ERROR; silent for a version from the future."""
        if self._faults.break_watches and request.transport is not None:
            request.transport.abort()
        if self._faults.watch_body is not None:
            await response.write(self._faults.watch_body)
            return
        if self._faults.end_watches or self._faults.break_watches:
            return
        end = time.monotonic() + float(request.query.get("timeoutSeconds", "1800"))
        bookmarks = request.query.get("allowWatchBookmarks") in ("1", "true")
        bookmark_at = time.monotonic() + self._faults.bookmark_seconds
        while (now := time.monotonic()) < end:
            wait = (min(end, bookmark_at) if bookmarks else end) - now
            try:
                kind, found = await asyncio.wait_for(queue.get(), max(wait, 0.001))
            except TimeoutError:
                if time.monotonic() >= end or not bookmarks:
                    continue
                bookmark_at = time.monotonic() + self._faults.bookmark_seconds
                metadata = {"resourceVersion": str(self._configmaps.version)}
                kind, found = "BOOKMARK", {"kind": "ConfigMap", "metadata": metadata}
            if kind == "END":
                return
            if self._faults.frozen or from_the_future:
                continue
            await response.write(json.dumps({"type": kind, "object": found}).encode() + b"\n")
            if kind == "ERROR":
                return

    def _future(self, version: str) -> bool:
        return version.isdecimal() and int(version) > self._configmaps.version
