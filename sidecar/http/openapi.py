"""`/openapi.json`: the route table as an OpenAPI 3.1 document.

msgspec generates the schemas from the types that handlers parse and encode. The document is built
in a thread at the first request for it, and kept encoded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from sidecar.api.state import Problem
from sidecar.http.messages import JSON_HEADER, Reply, Request
from sidecar.http.routing import Answer, Body, Header, Route, by_path

PROBLEM_JSON = "application/problem+json"
INFO = {
    "title": "cache-sidecar",
    "version": "1",
    "description": "A three-tier cache over localhost. Every error is a problem document "
    "(RFC 9457). If the sidecar runs with `--token-file`, all requests but those for the console's "
    "files need `Authorization: Bearer TOKEN`. A request from a page of another site in a browser "
    "gets 403, and one for a public name that resolves to loopback 421.",
}

# The errors that every route of a kind may answer. The table of routes does not repeat them.
BAD_REQUEST = "A name, a parameter or the body is invalid; `detail` states what is valid."
NO_TOKEN = "The sidecar has a token, and the request does not have it."  # noqa: S105
LONG_HEAD = "The request line or a header is too long."
SLOW_BODY = "The body took longer than 30 s."
LARGE_BODY = "The body is larger than `max_value_bytes`, or 32 MiB for calls with many keys."
STRANGE_BODY = "The media type or the coding of the body is not supported."
NOT_NOW = (
    "L3 did not answer in time, or the load is too high. `detail` states whether anything was "
    "changed."
)


def problem(status: int, when: str, **headers: Header) -> Answer:
    """An error answer. Write the names of headers with underscores."""
    named = {name.replace("_", "-"): header for name, header in headers.items()}
    return Answer(status, when, Problem, (PROBLEM_JSON,), named)


def answers(route: Route[Any]) -> list[Answer]:
    """All answers of a route by status: those in the table, and the errors of every such route."""
    found = {answer.status: answer for answer in (*_errors(route), *route.answers)}
    return [found[status] for status in sorted(found)]


def _errors(route: Route[Any]) -> Iterator[Answer]:
    yield problem(400, BAD_REQUEST)
    if route.needs_token:
        challenge = Header('`Bearer realm="cache-sidecar"`')
        yield problem(401, NO_TOKEN, WWW_Authenticate=challenge)
    yield problem(431, LONG_HEAD)
    if route.body is not None:
        yield problem(408, SLOW_BODY)
        yield problem(413, LARGE_BODY)
        yield problem(415, STRANGE_BODY)
    if route.waits:
        retry_after = Header("Seconds to wait before a retry.", required=False)
        yield problem(503, NOT_NOW, Retry_After=retry_after)


class Description:
    """The handler of `/openapi.json`."""

    def __init__(self, routes: Sequence[Route[Any]]) -> None:
        self._routes = routes
        self._encoded: bytes | None = None
        self._encoding = asyncio.Lock()

    async def get(self, _request: Request) -> Reply:
        if self._encoded is None:
            async with self._encoding:  # once, for all who ask meanwhile
                if self._encoded is None:
                    self._encoded = await asyncio.to_thread(
                        lambda: msgspec.json.encode(document(self._routes))
                    )
        return Reply(200, JSON_HEADER, self._encoded)


def document(routes: Sequence[Route[Any]]) -> dict[str, Any]:
    """The OpenAPI document of an API."""
    schemas = _Schemas()
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": "http://127.0.0.1:7070"}],
        "paths": {path: _path(each, schemas) for path, each in by_path(routes).items()},
        "components": {"schemas": schemas.components},
    }


class _Schemas:
    """Collects the schemas of types; those of named types go into `components`."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}

    def of_answer(self, shape: Any) -> dict[str, Any]:
        """An answer has all fields of its Struct, including those with defaults, and no others."""
        schema, components = _schema(shape)
        for component in components.values():
            if "properties" in component:
                component["additionalProperties"] = False
                component["required"] = [*_always_sent(component)]
        self.components |= components
        return schema

    def of_body(self, shape: Any) -> dict[str, Any]:
        """The schema inline instead of a reference, since annotations are not in components."""
        schema, components = _schema(shape)
        name = schema.pop("$ref", "").rpartition("/")[2]
        inline = components.pop(name, {})
        self.components |= components
        return {**inline, **schema}


def _schema(shape: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    [schema], components = msgspec.json.schema_components(
        [shape], ref_template="#/components/schemas/{name}"
    )
    return schema, components


def _always_sent(component: dict[str, Any]) -> Iterator[str]:
    """All fields except those that may be UNSET, which have no default in the schema."""
    for name, schema in component["properties"].items():
        if name in component["required"] or "default" in schema:
            schema.pop("default", None)
            yield name


def _path(routes: dict[str, Route[Any]], schemas: _Schemas) -> dict[str, Any]:
    return {method.lower(): _operation(route, schemas) for method, route in routes.items()}


def _operation(route: Route[Any], schemas: _Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {"operationId": route.id, "summary": route.summary}
    if route.description:
        described["description"] = route.description
    parameters = [
        *_parameters(route.path_parameters, "path"),
        *_parameters(route.headers, "header"),
        *_parameters(route.query, "query"),
    ]
    if parameters:
        described["parameters"] = parameters
    if route.body is not None:
        described["requestBody"] = _body(route.body, schemas)
    described["responses"] = {
        str(answer.status): _answer(answer, schemas, bodiless=route.method == "HEAD")
        for answer in answers(route)
    }
    return described


def _parameters(shape: type[msgspec.Struct] | None, where: str) -> Iterator[dict[str, Any]]:
    if shape is None:
        return
    component = _schema(shape)[1][shape.__name__]
    for name, schema in component["properties"].items():
        described = {"name": name, "in": where}
        if name in component["required"]:
            described["required"] = True
        if "description" in schema:
            described["description"] = schema.pop("description")
        yield {**described, "schema": schema}


def _body(body: Body, schemas: _Schemas) -> dict[str, Any]:
    schema = schemas.of_body(body.shape)
    described: dict[str, Any] = {"required": body.required}
    if body.description:
        described["description"] = body.description
    described["content"] = {media_type: {"schema": schema} for media_type in body.media_types}
    if body.example is not None:
        described["content"][body.media_types[0]]["example"] = body.example
    return described


def _answer(answer: Answer, schemas: _Schemas, *, bodiless: bool) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.description}
    if answer.headers:
        described["headers"] = {name: _header(each) for name, each in answer.headers.items()}
    if answer.body is not None and not bodiless:
        schema = schemas.of_answer(answer.body)
        described["content"] = {media_type: {"schema": schema} for media_type in answer.media_types}
    return described


def _header(header: Header) -> dict[str, Any]:
    return {
        "description": header.description,
        "required": header.required,
        "schema": {"type": "string"},
    }
