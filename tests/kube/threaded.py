"""The API server for tests without a coroutine: in a thread with its own loop."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.kube.apiserver import ApiServer
from tests.kube.objects import Object

T = TypeVar("T")

NAMESPACE, NAME = "shop", "cache-config"


class ThreadedApiServer:
    """All access is through `do`, which runs it in the server's thread."""

    def __init__(self, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.server = self.do(lambda: ApiServer(tls, port))

    def start(self) -> ThreadedApiServer:
        self._await(self.server.start())
        return self

    def stop(self) -> None:
        """Stop only the server; a later `start` uses the same port."""
        self._await(self.server.stop())

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def do(self, deed: Callable[[], T]) -> T:
        async def done() -> T:
            return deed()

        return self._await(done())

    # ---- the one ConfigMap

    def put(self, body: Object) -> None:
        self.do(lambda: self.server.configmaps.put(NAMESPACE, NAME, body))

    def publish(self, **texts: str) -> None:
        """Publish; `cache="promote_after: 3"` is `cache.yaml`."""
        self.put({"data": {f"{name}.yaml": text for name, text in texts.items()}})

    def delete(self) -> None:
        self.do(lambda: self.server.configmaps.delete(NAMESPACE, NAME))

    def events(self) -> list[Object]:
        return self.do(lambda: list(self.server.events.stored.values()))

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=20)
