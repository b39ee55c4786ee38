"""A small API server: ConfigMaps with versions and watches, Events, and faults on demand.

For a client of one ConfigMap it behaves as a real one was measured to (1.36). Run as a program, it
replaces a cluster:

    python -m tests.kube.apiserver --port 6443 --kubeconfig /tmp/kubeconfig
    KUBECONFIG=/tmp/kubeconfig cache-sidecar serve --configmap default/cache-config

    curl -X PUT localhost:6443/api/v1/namespaces/default/configmaps/cache-config \\
        -d '{"data": {"cache.yaml": "promote_after: 3"}}'
    curl -X POST localhost:6443/faults -d '{"statuses": {"watch": 500}}'
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from tests.kube.faults import Faults
from tests.kube.objects import ConfigMaps, Events, Object, RefusedError, gone
from tests.kube.watches import Watches

GONE = 410
CONFIGMAPS = "/api/v1/namespaces/{namespace}/configmaps"
EVENTS = "/apis/events.k8s.io/v1/namespaces/{namespace}/events"


class ApiServer:
    """Listens on loopback; a `start` after `stop` uses the same port."""

    def __init__(self, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.configmaps = ConfigMaps()
        self.events = Events()
        self.faults = Faults()
        self.requests: list[tuple[float, str]] = []
        """The requests: time and verb."""
        self.port = port
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self.watches = Watches(self.configmaps, self.faults)
        self._thawed = asyncio.Event()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

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
        """Stop as if killed: watches break off, and the cache of past events is lost."""
        self.configmaps.compact()
        self.watches.drop()
        if self._runner is not None:
            await self._runner.cleanup()

    def thaw(self) -> None:
        self.faults.frozen = False
        self._thawed.set()
        self._thawed = asyncio.Event()

    def write_kubeconfig(self, path: Path, user: dict[str, Any] | None = None) -> Path:
        """A kubeconfig for this server."""
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
        """The checks before every answer; errors are a Status."""

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
                if self.faults.error_body is not None:
                    body = self.faults.error_body
                    return web.Response(body=body, status=refusal.code, headers=headers)
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
            return await self.watches.serve(request, namespace, name, version)
        if self.faults.list_body is not None:
            return web.Response(body=self.faults.list_body)
        exact = request.query.get("resourceVersionMatch") == "Exact"
        if exact and int(version) < self.configmaps.oldest:
            raise gone()
        return {
            "kind": "ConfigMapList",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": str(self.configmaps.version)},
            "items": self.configmaps.found(namespace, name),
        }

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
        """`{"statuses": {"watch": 500}}` sets statuses; `{"drop": true}` breaks off once."""
        wanted = await request.json()
        if wanted.pop("drop", False):
            self.watches.drop()
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
