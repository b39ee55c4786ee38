"""What a route is, and the table that finds the operation of a request.

A route owns all that is known of a path: what it takes, what it answers, the value of the
`operation` label, and whether it may be shed. Dispatch, the parsing of parameters and
`/openapi.json` are made from it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from sidecar.http.messages import Reply, Request
from sidecar.http.parameters import Parameters, refused_query
from sidecar.http.problems import ProblemError

Handler = Callable[[Request], Awaitable[Reply]]
QueryHandler = Callable[[Request, Any], Awaitable[Reply]]
Waits = Callable[[Request], bool]
Api = TypeVar("Api")


class Found(NamedTuple):
    """The operation of a request: the value of its label, its handler, and whether to answer may
    mean to wait, which is asked only when too many requests are under way.
    """

    operation: str
    handle: Handler
    waits: Waits


@dataclass(frozen=True, slots=True)
class Header:
    """A header of an answer. One that is not required is sent only where it applies."""

    description: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, when it is answered, and with what. `body` is its type, None without one."""

    status: int
    description: str
    body: Any = None
    media_types: tuple[str, ...] = ("application/json",)
    headers: Mapping[str, Header] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a request sends. `shape` is its type; several media types are encodings of the same."""

    shape: Any
    media_types: tuple[str, ...] = ("application/json", "application/msgpack")
    description: str = ""
    example: Any = None
    required: bool = True


@dataclass(frozen=True)  # without slots, since a generic class sets an attribute of its own
class Route(Generic[Api]):
    """One method of a path; HEAD needs none where it is GET without the body.

    `{parameters}` stand at the end of the path. Structs describe all parameters; those of the query
    are parsed into theirs, which the handler is given beside the request.

    `handler` finds the handler in what serves the API. `operation` is the value of that label,
    which routes may share. `waits`: whether the answer may have to wait, for L3 or for its turn;
    such a request is shed when too many are under way. Where that depends on the request, a
    function finds what tells.
    """

    method: str
    path: str
    _: KW_ONLY
    operation: str
    id: str
    summary: str
    description: str = ""
    handler: Callable[[Api], Handler | QueryHandler]
    path_parameters: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    headers: type[msgspec.Struct] | None = None
    body: Body | None = None
    answers: tuple[Answer, ...]
    waits: bool | Callable[[Api], Waits] = False


def by_path(routes: Iterable[Route[Api]]) -> dict[str, dict[str, Route[Api]]]:
    """The routes of each path by method, in their order."""
    paths: dict[str, dict[str, Route[Api]]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method] = route
    return paths


class _Methods(NamedTuple):
    """The operations of a path by method: of a request without a query, and of one with it."""

    plain: Mapping[str, Found]
    queried: Mapping[str, Found]


class Table(Generic[Api]):
    """Finds the operation of a request, in the routes that `api` serves.

    `check` is called for every request first, and raises ProblemError for one to be refused.
    """

    def __init__(
        self,
        routes: Sequence[Route[Api]],
        api: Api,
        check: Callable[[Request], None] = lambda _request: None,
    ) -> None:
        self._check = check
        found = {path: _methods(of_path, api) for path, of_path in by_path(routes).items()}
        self._paths = ", ".join(sorted(found))
        self._exact = {path: methods for path, methods in found.items() if "{" not in path}
        self._below = [
            (path.partition("{")[0], methods) for path, methods in found.items() if "{" in path
        ]

    def find(self, request: Request) -> Found:
        """Raises ProblemError: 404, 405, 400 for a query that the path does not take."""
        self._check(request)
        path = request.path
        for prefix, methods in self._below:  # entries are first: the data path goes no further
            if path.startswith(prefix):
                return _by_method(methods, request)
        found = self._exact.get(path)
        if found is not None:
            return _by_method(found, request)
        if request.to_origin_form():
            return self.find(request)
        raise ProblemError(404, f"There is nothing at {path[:80]}. There is: {self._paths}.")


def _by_method(methods: _Methods, request: Request) -> Found:
    found = (methods.queried if request.query else methods.plain).get(request.method)
    if found is None:
        allowed = ", ".join(sorted(methods.plain))
        detail = f"{request.method} is not possible here; {allowed} is."
        raise ProblemError(405, detail, headers=f"Allow: {allowed}\r\n")
    return found


def _methods(routes: Mapping[str, Route[Api]], api: Api) -> _Methods:
    """HEAD is GET without the body, unless it is a route of its own."""
    routes = {"HEAD": routes["GET"], **routes} if "GET" in routes else routes
    plain = {method: _found(route, api) for method, route in routes.items()}
    queried = {
        method: found if routes[method].query else found._replace(handle=_refuse_query)
        for method, found in plain.items()
    }
    return _Methods(plain, queried)


def _found(route: Route[Api], api: Api) -> Found:
    waits = route.waits
    if isinstance(waits, bool):
        always = waits
        return Found(route.operation, _handler(route, api), lambda _request: always)
    return Found(route.operation, _handler(route, api), waits(api))


def _handler(route: Route[Api], api: Api) -> Handler:
    """What takes the request alone, and parses its parameters where there are any."""
    handler: Any = route.handler(api)
    if route.query is None:
        return handler  # type: ignore[no-any-return]
    parse = Parameters(route.query).parse

    def handle(request: Request) -> Awaitable[Reply]:
        answer: Awaitable[Reply] = handler(request, parse(request.query))
        return answer

    return handle


def _refuse_query(request: Request) -> Awaitable[Reply]:
    raise refused_query(request.query)
