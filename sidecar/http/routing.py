"""Routes, and the table that finds the operation of a request.

A route defines everything about a path: its parameters, bodies and answers, the value of the
`operation` label, and whether it may be shed. Dispatch, parameter parsing and `/openapi.json` are
derived from it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

from msgspec import Struct

from sidecar.http.messages import Reply, Request
from sidecar.http.parameters import Parameters, refused_query
from sidecar.http.problems import ProblemError

Handler = Callable[[Request], Awaitable[Reply]]
QueryHandler = Callable[[Request, Any], Awaitable[Reply]]
Waits = Callable[[Request], bool]
Api = TypeVar("Api")

DOT_SEGMENT = (
    "A segment of this path is '.' or '..'. Some clients and proxies resolve them, so that the "
    "request would be for another key. Send such a key in a batch, such as POST /v1/mget."
)

NAME_WITH_QUERY = " If the '?' is part of the name, send it as %3F."
"""A hint where a path ends with a name, such as a key, that was not percent-encoded."""

Found = tuple[str, Handler, Waits]
"""The value of the `operation` label, the handler, and a function that tells whether the answer
may have to wait. It is called only if too many requests are in progress.
"""
_Methods = tuple[Mapping[str, Found], Mapping[str, Found]]
"""The operations by method: for requests without a query, and with one."""

# Structs, which take a sixth of the memory of a dataclass: a table is small, and should stay so.


class Header(Struct, frozen=True):
    """A header of an answer. One that is not required is sent only where it applies."""

    description: str
    required: bool = True


class Answer(Struct, frozen=True):
    """A status, when it is answered, and with what. `body` is its type, None without one."""

    status: int
    description: str
    body: Any = None
    media_types: tuple[str, ...] = ("application/json",)
    headers: Mapping[str, Header] = {}


class Body(Struct, frozen=True, kw_only=True):
    """What a request sends. `shape` is its type; several media types are encodings of the same."""

    shape: Any
    media_types: tuple[str, ...] = ("application/json", "application/msgpack")
    description: str = ""
    example: Any = None
    required: bool = True


class Route(Struct, Generic[Api], frozen=True):
    """One method of a path; HEAD needs none where it is GET without the body.

    `{parameters}` stand at the end of the path. Structs describe all parameters; those of the query
    are parsed into theirs, which the handler is given beside the request.

    `handler` finds the handler in what serves the API. `operation` is the value of that label,
    which routes may share. `waits`: whether the answer may have to wait, for L3 or for its turn;
    such a request is shed if too many are in progress. If that depends on the request, a function
    decides. `needs_token`: whether the token has to be sent, where there is one.
    """

    method: str
    path: str
    operation: str
    id: str
    summary: str
    handler: Callable[[Api], Handler | QueryHandler]
    answers: tuple[Answer, ...]
    description: str = ""
    path_parameters: type[Struct] | None = None
    query: type[Struct] | None = None
    headers: type[Struct] | None = None
    body: Body | None = None
    needs_token: bool = True
    waits: bool | Callable[[Api], Waits] = False


def by_path(routes: Iterable[Route[Api]]) -> dict[str, dict[str, Route[Api]]]:
    """The routes of each path by method, in their order. Raises ValueError for two of the same."""
    paths: dict[str, dict[str, Route[Api]]] = {}
    for route in routes:
        methods = paths.setdefault(route.path, {})
        if route.method in methods:
            raise ValueError(f"there are two routes for {route.method} {route.path}")
        methods[route.method] = route
    return paths


class Table(Generic[Api]):
    """Finds the operation of a request, in the routes that `api` serves.

    `check` is called for every request first, and raises ProblemError for one to be refused. So
    is then `authorize`, but for routes that need no token: for paths that there are not, too.
    """

    def __init__(
        self,
        routes: Sequence[Route[Api]],
        api: Api,
        check: Callable[[Request], None] = lambda _request: None,
        authorize: Callable[[Request], None] | None = None,
    ) -> None:
        self._check = check
        self._authorize = authorize
        paths = by_path(routes)
        self._public, self._public_prefixes = _public(paths)
        _check_prefixes(paths)
        found = {path: _methods(of_path, api) for path, of_path in paths.items()}
        self._paths = ", ".join(sorted(found))
        self._exact = {path: methods for path, methods in found.items() if "{" not in path}
        self._below = [
            (path.partition("{")[0], methods) for path, methods in found.items() if "{" in path
        ]

    def find(self, request: Request) -> Found:
        """Raises ProblemError: 401, 404, 405, 400 for a query that the path does not take."""
        if not request.path.startswith("/"):
            request.to_origin_form()
        self._check(request)
        if self._authorize is not None and not self._is_public(request.path):
            self._authorize(request)
        plain, queried = self._of_path(request)
        found = (queried if request.query else plain).get(request.method)
        if found is None:
            raise _not_allowed(request, plain)
        return found

    def _of_path(self, request: Request) -> _Methods:
        path = request.path
        for prefix, methods in self._below:  # entries are first: the data path looks no further
            if path.startswith(prefix):
                if ("/." in path or "%2" in path) and has_dot_segment(path):
                    raise ProblemError(400, DOT_SEGMENT)
                return methods
        found = self._exact.get(path)
        if found is not None:
            return found
        raise ProblemError(404, f"There is nothing at {path[:80]}. There is: {self._paths}.")

    def _is_public(self, path: str) -> bool:
        """Whether nobody needs the token for it, whatever the method."""
        return path in self._public or path.startswith(self._public_prefixes)


def _public(paths: Mapping[str, Mapping[str, Route[Any]]]) -> tuple[set[str], tuple[str, ...]]:
    """The paths that need no token, and what those begin with that have parameters."""
    public = {path for path, of_path in paths.items() if not _any_needs_token(of_path)}
    exact = {path for path in public if "{" not in path}
    return exact, tuple(path.partition("{")[0] for path in public - exact)


def _any_needs_token(routes: Mapping[str, Route[Any]]) -> bool:
    return any(route.needs_token for route in routes.values())


def has_dot_segment(path: str) -> bool:
    """Whether a segment is `.` or `..` (RFC 3986, section 5.2.4), percent-encoded or not. Only a
    path with `/.` or `%2` may have one.
    """
    return not {".", ".."}.isdisjoint(unquote(path).split("/"))


def _not_allowed(request: Request, methods: Iterable[str]) -> ProblemError:
    allowed = ", ".join(sorted(methods))
    detail = f"{request.method} is not possible here; {allowed} is."
    return ProblemError(405, detail, headers=f"Allow: {allowed}\r\n")


def _check_prefixes(paths: Collection[str]) -> None:
    """Raises ValueError for a path that would be hidden by one with parameters."""
    prefixes = [path.partition("{")[0] for path in paths if "{" in path]
    for path in paths:
        covering = [prefix for prefix in prefixes if path.startswith(prefix)]
        if len(covering) > ("{" in path):
            raise ValueError(f"{path} is not told apart from {covering[0]}...")


def _methods(routes: Mapping[str, Route[Api]], api: Api) -> _Methods:
    """HEAD is GET without the body, unless it is a route of its own."""
    routes = {"HEAD": routes["GET"], **routes} if "GET" in routes else routes
    plain = {method: _found(route, api) for method, route in routes.items()}
    queried = {
        method: found if routes[method].query else (found[0], _refuser(routes[method]), found[2])
        for method, found in plain.items()
    }
    return plain, queried


def _found(route: Route[Api], api: Api) -> Found:
    waits = route.waits
    if isinstance(waits, bool):
        always = waits
        return route.operation, _handler(route, api), lambda _request: always
    return route.operation, _handler(route, api), waits(api)


def _handler(route: Route[Api], api: Api) -> Handler:
    """What takes the request alone, and parses its parameters where there are any."""
    handler: Any = route.handler(api)
    if route.query is None:
        return handler  # type: ignore[no-any-return]
    parse = Parameters(route.query, _hint(route)).parse

    def handle(request: Request) -> Awaitable[Reply]:
        answer: Awaitable[Reply] = handler(request, parse(request.query))
        return answer

    return handle


def _refuser(route: Route[Api]) -> Handler:
    """What refuses a query, where the path takes none."""
    hint = _hint(route)

    def refuse(request: Request) -> Awaitable[Reply]:
        raise refused_query(request.query, hint)

    return refuse


def _hint(route: Route[Api]) -> str:
    return NAME_WITH_QUERY if route.path_parameters else ""
