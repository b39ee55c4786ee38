"""The ops API, for Prometheus and the kubelet: /metrics, /livez, /readyz, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from sidecar.http.messages import Reply, Request
from sidecar.http.server import Table


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether traffic should come here, and what is not as it should be, in sentences."""

    ready: bool
    notes: list[str]


def ops_table(
    render_metrics: Callable[[str], tuple[str, bytes]], readiness: Callable[[], Readiness]
) -> Table:
    """`render_metrics` takes the Accept header and gives content type and body."""

    async def metrics(request: Request) -> Reply:
        content_type, body = render_metrics(request.headers.get("Accept", ""))
        return Reply(200, f"Content-Type: {content_type}\r\n", body)

    async def livez(_request: Request) -> Reply:
        return Reply(200, "Content-Type: text/plain; charset=utf-8\r\n", b"ok\n")

    async def readyz(_request: Request) -> Reply:
        state = readiness()
        body = msgspec.json.encode({"ready": state.ready, "notes": state.notes})
        return Reply(200 if state.ready else 503, "Content-Type: application/json\r\n", body)

    return Table(
        {
            "/metrics": {"GET": ("metrics", metrics)},
            "/livez": {"GET": ("livez", livez)},
            "/readyz": {"GET": ("readyz", readyz)},
        }
    )
