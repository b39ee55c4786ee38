"""The ops API, for Prometheus and the kubelet: /metrics, /livez, /readyz, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from sidecar.api.state import Readiness
from sidecar.http.messages import JSON_HEADER, Reply, Request
from sidecar.http.problems import NOT_KEPT


class OpsApi:
    """`render_metrics` takes the Accept header and gives content type and body."""

    def __init__(
        self, render_metrics: Callable[[str], tuple[str, bytes]], readiness: Callable[[], Readiness]
    ) -> None:
        self._render_metrics = render_metrics
        self._readiness = readiness

    async def metrics(self, request: Request) -> Reply:
        content_type, body = self._render_metrics(request.headers.get("Accept", ""))
        return Reply(200, f"Content-Type: {content_type}\r\n{NOT_KEPT}", body)

    async def livez(self, _request: Request) -> Reply:
        return Reply(200, f"Content-Type: text/plain; charset=utf-8\r\n{NOT_KEPT}", b"ok\n")

    async def readyz(self, _request: Request) -> Reply:
        state = self._readiness()
        return Reply(200 if state.ready else 503, JSON_HEADER, msgspec.json.encode(state))
