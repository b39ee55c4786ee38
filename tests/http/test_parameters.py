"""Query parameters: unknown and repeated ones are refused on every route."""

from __future__ import annotations

import json

import pytest

from sidecar.http.routes import DATA, OPS
from tests.running import Answer, RunningSidecar


def concrete(path: str) -> str:
    """A path with names for its parameters."""
    named = {"{namespace}": "test", "{key}": "key", "{file}": "main.js", "{name}": "test"}
    for parameter, name in named.items():
        path = path.replace(parameter, name)
    assert "{" not in path, f"give {path} a name here"
    return path


PATH = "/v1/cache/test/key"
ROUTES = [(route.method, concrete(route.path)) for route in DATA if route.method != "HEAD"]
PROBES = [concrete(route.path) for route in OPS]
VALUES = {"bound": "true", "dry_run": "true", "sliding": "true", "names": "cache.hit_ratio"}
"""Valid values of parameters that are not numbers."""
REPEATED = [
    (route.method, f"{concrete(route.path)}?{name}={VALUES.get(name, 5)}&{name}=6", name)
    for route in DATA
    if route.query is not None and route.method != "HEAD"
    for name in route.query.__struct_encode_fields__
]


def detail(answer: Answer) -> str:
    assert answer.status == 400, answer.body
    return str(json.loads(answer.body)["detail"])


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_an_unknown_parameter_is_refused(sidecar: RunningSidecar, method: str, path: str) -> None:
    """The problem names the parameter, and nothing is changed."""
    body = b"v" if method == "PUT" else None
    assert "'colour'" in detail(sidecar.ask(method, f"{path}?colour=red", body))
    assert sidecar.ask("GET", PATH).status == 404


@pytest.mark.parametrize(("method", "path", "name"), REPEATED)
def test_a_repeated_parameter_is_refused(
    sidecar: RunningSidecar, method: str, path: str, name: str
) -> None:
    """The problem names the parameter, and neither value is used."""
    said = detail(sidecar.ask(method, path, b"v" if method == "PUT" else None))
    assert name in said
    assert "twice" in said


@pytest.mark.parametrize("query", ["id=2", "&", "=", "?"])
def test_a_name_with_a_question_mark_has_to_be_encoded(sidecar: RunningSidecar, query: str) -> None:
    """The refusal says how; encoded, it is part of the key."""
    for method in ("GET", "PUT", "DELETE"):
        if method == "PUT" and query == "&":  # no parameter, to a path that takes some
            continue
        assert "%3F" in detail(sidecar.ask(method, f"{PATH}?{query}", b"v"))
    assert "%3F" not in detail(sidecar.ask("GET", f"/v1/stats?{query}"))
    assert sidecar.ask("PUT", f"{PATH}%3F{query}", b"v").status == 201
    assert sidecar.ask("GET", f"{PATH}%3F{query}").body == b"v"
    assert sidecar.ask("GET", PATH).status == 404


def test_a_head_request_is_refused_as_well(sidecar: RunningSidecar) -> None:
    assert sidecar.ask("HEAD", f"{PATH}?colour=red").status == 400


@pytest.mark.parametrize("path", PROBES)
def test_the_ops_api_takes_no_parameters(sidecar: RunningSidecar, path: str) -> None:
    assert "'colour'" in detail(sidecar.ops(f"{path}?colour=red"))
