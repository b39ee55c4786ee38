"""Query parameters: an unknown or a repeated one is refused on every route."""

from __future__ import annotations

import json

import pytest

from tests.running import Answer, RunningSidecar

PATH = "/v1/cache/test/key"
ROUTES = [
    *((method, PATH) for method in ("GET", "PUT", "DELETE")),
    *(("POST", f"/v1/{name}") for name in ("mget", "mset", "mdelete", "invalidate")),
    *(("GET", f"/v1/{name}") for name in ("keys", "stats", "config", "signals", "optimizer")),
    *(("GET", f"/v1/optimizer/{name}") for name in ("rules", "outcomes")),
    *(("POST", f"/v1/optimizer/{name}") for name in ("run", "reset")),
    *(("GET", path) for path in ("/openapi.json", "/", "/console/main.js")),
]
REPEATED = [
    ("PUT", f"{PATH}?ttl=1&ttl=2", "ttl"),
    ("GET", "/v1/keys?namespace=test&namespace=other", "namespace"),
    ("GET", "/v1/signals?step=5&step=10", "step"),
    ("POST", "/v1/optimizer/run?dry_run=true&dry_run=false", "dry_run"),
]


def detail(answer: Answer) -> str:
    assert answer.status == 400, answer.body
    return str(json.loads(answer.body)["detail"])


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_an_unknown_parameter_is_refused(sidecar: RunningSidecar, method: str, path: str) -> None:
    """The problem names it, and nothing is changed."""
    body = b"v" if method == "PUT" else None
    assert "'colour'" in detail(sidecar.ask(method, f"{path}?colour=red", body))
    assert sidecar.ask("GET", PATH).status == 404


@pytest.mark.parametrize(("method", "path", "name"), REPEATED)
def test_a_repeated_parameter_is_refused(
    sidecar: RunningSidecar, method: str, path: str, name: str
) -> None:
    """The problem names it: neither value is taken."""
    said = detail(sidecar.ask(method, path, b"v" if method == "PUT" else None))
    assert name in said
    assert "twice" in said


def test_a_head_request_is_refused_as_well(sidecar: RunningSidecar) -> None:
    assert sidecar.ask("HEAD", f"{PATH}?colour=red").status == 400


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz"])
def test_the_ops_api_takes_no_parameters(sidecar: RunningSidecar, path: str) -> None:
    assert "'colour'" in detail(sidecar.ops(f"{path}?colour=red"))
