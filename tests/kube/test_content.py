"""What counts of a ConfigMap is its content, and that it is the named one."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.kube.apiserver import ApiServer
from tests.kube.conftest import Start, Watch, Watching, document, promote_after, until
from tests.kube.threaded import NAME, NAMESPACE, ThreadedApiServer
from tests.running import RunningSidecar, wait_until


def failures(sidecar: RunningSidecar) -> float:
    name = 'cache_sidecar_config_reloads_total{result="failure",source="api"}'
    lines = sidecar.ops("/metrics").body.decode().splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(name)), 0.0)


def test_a_change_of_metadata_is_no_change(start: Start, api: ThreadedApiServer) -> None:
    """Controllers write annotations often; an error is reported once."""
    sidecar = start()
    binary = base64.b64encode(b"promote_after: \xff").decode()
    for _ in range(20):
        api.put({"binaryData": {"cache.yaml": binary}})
    wait_until(lambda: sidecar.config()["rejected"], "it is refused")
    api.put({"data": {"cache.yaml": "promote_after: 4"}})
    wait_until(lambda: promote_after(sidecar) == 4, "all changes before have been seen")
    assert failures(sidecar) == 1


def test_a_restored_server_may_give_a_version_twice(start: Start, api: ThreadedApiServer) -> None:
    """With another content."""
    api.publish(cache="promote_after: 3")
    sidecar = start()
    wait_until(lambda: promote_after(sidecar) == 3, "the document is in force")

    def restore() -> None:
        api.server.configmaps.restore(api.server.configmaps.version - 1)
        api.server.configmaps.put(NAMESPACE, NAME, {"data": {"cache.yaml": "promote_after: 5"}})
        api.server.faults.forgetful = True  # so that it is listed
        api.server.watches.end()

    api.do(api.server.watches.drop)
    api.do(restore)
    wait_until(lambda: promote_after(sidecar) == 5, "the other content is in force", 60)


def listed(*items: dict[str, Any]) -> bytes:
    return json.dumps({"metadata": {"resourceVersion": "5"}, "items": items or None}).encode()


OTHER = {"metadata": {"name": "other", "resourceVersion": "4"}, **document(7)}
OWN = {"metadata": {"name": NAME, "resourceVersion": "5"}, **document(8)}


@pytest.mark.parametrize(
    ("body", "seen"), [(listed(), None), (listed(OTHER), None), (listed(OTHER, OWN), document(8))]
)
async def test_a_list_may_have_none_or_others(
    server: ApiServer, watch: Watch, body: bytes, seen: dict[str, Any] | None
) -> None:
    """From a proxy that ignores the field selector."""
    server.faults.list_body = body
    watching = watch()
    found = await watching.upcoming()
    assert (found and {"data": found.texts()}, watching.troubles) == (seen, [])


async def test_an_event_about_another_is_ignored(server: ApiServer, watching: Watching) -> None:
    lines = [{"type": kind, "object": OTHER} for kind in ("MODIFIED", "DELETED")]
    lines.append({"type": "MODIFIED", "object": OWN})
    server.faults.watch_body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    server.watches.end()
    while (texts := await watching.texts()) == document(1)["data"]:
        pass
    assert texts == document(8)["data"]
    server.faults.watch_body = None
    await until(lambda: len(server.watches))
