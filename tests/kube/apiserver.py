"""A small API server: ConfigMaps with versions and watches, Events, and everything going wrong.

It does what a real one was measured to do (1.36), as far as a client of one ConfigMap can tell. As
a program it stands in for a cluster:

    python -m tests.kube.apiserver --port 6443 --kubeconfig /tmp/kubeconfig
    KUBECONFIG=/tmp/kubeconfig cache-sidecar serve --configmap default/cache-config

    curl -X PUT localhost:6443/api/v1/namespaces/default/configmaps/cache-config \\
        -d '{"data": {"cache.yaml": "promote_after: 3"}}'
    curl -X POST localhost:6443/faults -d '{"statuses": {"watch": 500}}'
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from tests.kube.objects import ConfigMaps, Events, EventType, Object, RefusedError, gone

GONE = 410
CONFIGMAPS = "/api/v1/namespaces/{namespace}/configmaps"
EVENTS = "/apis/events.k8s.io/v1/namespaces/{namespace}/events"


@dataclass
class Faults:
    """What goes wrong; all of it may be changed while the server runs."""

    statuses: dict[str, int] = field(default_factory=dict)
    """By verb (list, watch, create, patch): the status to answer with."""
    gone_as_event: bool = True
    """A watch from a forgotten version: an ERROR event after a 200, or HTTP 410."""
    end_watches: bool = False
    """Every watch ends at once."""
    break_watches: bool = False
    """Every watch breaks off at once."""
    forgetful: bool = False
    """Every version is too old to watch from."""
    frozen: bool = False
    """Connections are taken and nothing is ever said."""
    retry_after: int | None = None
    tokens: list[str] | None = None
    """Those that are good; None takes any, or none."""
    only_names: list[str] | None = None
    """The Role's resourceNames: a list or watch needs a field selector for one of them."""
    bookmark_seconds: float = 60.0


class ApiServer:
    """On loopback; `start` again after `stop` is on the same port."""

    def __init__(self, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.configmaps = ConfigMaps()
        self.events = Events()
        self.faults = Faults()
        self.requests: list[tuple[float, str]] = []
        """When, and which verb."""
        self.port = port
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self._watches: dict[asyncio.Transport, asyncio.Queue[tuple[str, Object]]] = {}
        self._thawed = asyncio.Event()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def watches(self) -> int:
        """How many are open."""
        return len(self._watches)

    def count(self, verb: str) -> int:
        return sum(it == verb for _, it in self.requests)

    async def start(self) -> ApiServer:
        app = web.Application(client_max_size=4 << 20)
        app.router.add_get(CONFIGMAPS, self._answer(self._collection))
        one = CONFIGMAPS + "/{name}"
        app.router.add_get(one, self._answer(self._get))
        app.router.add_put(one, self._answer(self._put))
        app.router.add_patch(one, self._answer(self._patch))
        app.router.add_delete(one, self._answer(self._delete))
        app.router.add_get(EVENTS, self._answer(self._list_events))
        app.router.add_post(EVENTS, self._answer(self._create_event))
        app.router.add_patch(EVENTS + "/{name}", self._answer(self._patch_event))
        app.router.add_post("/faults", self._set_faults)
        self._runner = web.AppRunner(app, shutdown_timeout=0.05, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls)
        await site.start()
        self.port = int(self._runner.addresses[0][1])
        return self

    async def stop(self) -> None:
        """As killed: watches break off."""
        self.drop()
        if self._runner is not None:
            await self._runner.cleanup()

    def drop(self) -> None:
        """Break off every watch in the middle of its payload."""
        for transport in self._watches:
            transport.abort()

    def end_watches(self) -> None:
        """As when `timeoutSeconds` are over."""
        for queue in self._watches.values():
            queue.put_nowait(("END", {}))

    def thaw(self) -> None:
        self.faults.frozen = False
        self._thawed.set()
        self._thawed = asyncio.Event()

    def write_kubeconfig(self, path: Path, user: dict[str, Any] | None = None) -> Path:
        """A kubeconfig that leads here."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {"server": self.url}}],
            "users": [{"name": "test", "user": user or {"token": "good"}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path

    # ---- requests

    def _answer(
        self, handler: Callable[[web.Request], Awaitable[Object | web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The checks before every answer, and refusals as a Status."""

        async def answer(request: web.Request) -> web.StreamResponse:
            verb = _verb(request)
            self.requests.append((time.monotonic(), verb))
            try:
                if self.faults.frozen:
                    await self._thawed.wait()
                self._authorize(request, verb)
                result = await handler(request)
            except RefusedError as refusal:
                wait = self.faults.retry_after
                headers = {} if wait is None else {"Retry-After": str(wait)}
                return web.json_response(refusal.status(), status=refusal.code, headers=headers)
            return web.json_response(result) if isinstance(result, dict) else result

        return answer

    def _authorize(self, request: web.Request, verb: str) -> None:
        token = request.headers.get("Authorization", "").partition(" ")[2]
        if self.faults.tokens is not None and token not in self.faults.tokens:
            raise RefusedError(401, "Unauthorized", "Unauthorized")
        names = self.faults.only_names
        if names is not None and verb in ("list", "watch") and _selected(request) not in names:
            raise RefusedError(403, "Forbidden", f'configmaps is forbidden: cannot "{verb}"')
        status = self.faults.statuses.get(verb)
        if status == GONE:
            raise gone()
        if status is not None:
            raise RefusedError(status, "Fault", f"made to answer {status}")

    async def _collection(self, request: web.Request) -> Object | web.StreamResponse:
        namespace, name = request.match_info["namespace"], _selected(request)
        version = request.query.get("resourceVersion", "")
        if _verb(request) == "watch":
            return await self._watch(request, namespace, name, version)
        exact = request.query.get("resourceVersionMatch") == "Exact"
        if exact and int(version) < self.configmaps.oldest:
            raise gone()
        return {
            "kind": "ConfigMapList",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": str(self.configmaps.version)},
            "items": self.configmaps.found(namespace, name),
        }

    async def _watch(
        self, request: web.Request, namespace: str, name: str | None, version: str
    ) -> web.StreamResponse:
        queue: asyncio.Queue[tuple[str, Object]] = asyncio.Queue()

        def listen(kind: EventType, found: Object) -> None:
            metadata = found["metadata"]
            if metadata["namespace"] == namespace and name in (None, metadata["name"]):
                queue.put_nowait((kind, found))

        try:
            if version in ("", "0"):
                for found in self.configmaps.found(namespace, name):
                    listen("ADDED", found)
            elif self.faults.forgetful:
                raise gone()
            else:
                for kind, found in self.configmaps.since(int(version)):
                    listen(kind, found)
        except RefusedError as refusal:
            if not self.faults.gone_as_event:
                raise
            queue.put_nowait(("ERROR", refusal.status()))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        assert request.transport is not None
        transport = request.transport
        self._watches[transport] = queue
        self.configmaps.listeners.append(listen)
        try:
            await response.prepare(request)
            await self._stream(request, response, queue, from_the_future=_future(self, version))
        finally:
            self.configmaps.listeners.remove(listen)
            del self._watches[transport]
        return response

    async def _stream(
        self,
        request: web.Request,
        response: web.StreamResponse,
        queue: asyncio.Queue[tuple[str, Object]],
        *,
        from_the_future: bool,
    ) -> None:
        """Until `timeoutSeconds` are over, or an ERROR; silence for a version from the future."""
        if self.faults.break_watches and request.transport is not None:
            request.transport.abort()
        if self.faults.end_watches or self.faults.break_watches:
            return
        end = time.monotonic() + float(request.query.get("timeoutSeconds", "1800"))
        bookmarks = request.query.get("allowWatchBookmarks") in ("1", "true")
        bookmark_at = time.monotonic() + self.faults.bookmark_seconds
        while (now := time.monotonic()) < end:
            wait = (min(end, bookmark_at) if bookmarks else end) - now
            try:
                kind, found = await asyncio.wait_for(queue.get(), max(wait, 0.001))
            except TimeoutError:
                if time.monotonic() >= end or not bookmarks:
                    continue
                bookmark_at = time.monotonic() + self.faults.bookmark_seconds
                metadata = {"resourceVersion": str(self.configmaps.version)}
                kind, found = "BOOKMARK", {"kind": "ConfigMap", "metadata": metadata}
            if kind == "END":
                return
            if self.faults.frozen or from_the_future:
                continue
            await response.write(json.dumps({"type": kind, "object": found}).encode() + b"\n")
            if kind == "ERROR":
                return

    async def _get(self, request: web.Request) -> Object:
        return self.configmaps.get(*_named(request))

    async def _put(self, request: web.Request) -> Object:
        return self.configmaps.put(*_named(request), await request.json())

    async def _patch(self, request: web.Request) -> Object:
        return self.configmaps.patch(*_named(request), await request.json())

    async def _delete(self, request: web.Request) -> Object:
        return self.configmaps.delete(*_named(request))

    async def _list_events(self, request: web.Request) -> Object:
        namespace = request.match_info["namespace"]
        found = [body for (its, _), body in self.events.stored.items() if its == namespace]
        return {"kind": "EventList", "apiVersion": "events.k8s.io/v1", "items": found}

    async def _create_event(self, request: web.Request) -> Object:
        return self.events.create(request.match_info["namespace"], await request.json())

    async def _patch_event(self, request: web.Request) -> Object:
        if request.content_type != "application/merge-patch+json":
            raise RefusedError(415, "UnsupportedMediaType", "a merge patch is wanted")
        body = await request.json()
        return self.events.patch(*_named(request), body)

    async def _set_faults(self, request: web.Request) -> web.Response:
        """`{"statuses": {"watch": 500}}` sets some; `{"drop": true}` breaks off, once."""
        wanted = await request.json()
        if wanted.pop("drop", False):
            self.drop()
        if wanted.pop("compact", False):
            self.configmaps.compact()
        for known in fields(Faults):
            if known.name in wanted:
                setattr(self.faults, known.name, wanted.pop(known.name))
        if not self.faults.frozen:
            self.thaw()
        return web.json_response({"unknown": list(wanted)})


def _verb(request: web.Request) -> str:
    if "name" not in request.match_info and request.method == "GET":
        return "watch" if request.query.get("watch") in ("1", "true", "True") else "list"
    return {"GET": "get", "POST": "create", "PATCH": "patch"}.get(request.method, "write")


def _selected(request: web.Request) -> str | None:
    selector = request.query.get("fieldSelector", "")
    return selector.removeprefix("metadata.name=") or None


def _named(request: web.Request) -> tuple[str, str]:
    return request.match_info["namespace"], request.match_info["name"]


def _future(server: ApiServer, version: str) -> bool:
    return version.isdecimal() and int(version) > server.configmaps.version


async def main() -> None:
    parser = argparse.ArgumentParser(description="A small Kubernetes API server on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--kubeconfig", type=Path, help="where to write one that leads here")
    arguments = parser.parse_args()
    server = await ApiServer(port=arguments.port).start()
    if arguments.kubeconfig:
        server.write_kubeconfig(arguments.kubeconfig)
    print(server.url, flush=True)  # noqa: T201  (where it is)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
