"""Query parameters: one parser for every route, which refuses what the route does not take."""

from __future__ import annotations

from urllib.parse import parse_qsl

from sidecar.http.messages import Reply, Request
from sidecar.http.problems import ProblemError


def parameters(query: str, *known: str) -> dict[str, str]:
    """The parameters of a query, percent-decoded; bytes that are not UTF-8 become surrogates.

    Raises ProblemError (400), which names the parameter: one that is not in `known`, or one that is
    sent twice. Ignoring either would do something other than what the client asked for.
    """
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="surrogateescape"):
        if name not in known:
            there_is = f"only {', '.join(known)}" if known else "none at all"
            raise ProblemError(400, f"There is no parameter {name[:80]!r} here, {there_is}.")
        if name in found:
            raise ProblemError(400, f"The parameter {name} is sent twice; send it once.")
        found[name] = value
    return found


async def refuse_parameters(request: Request) -> Reply:
    """The handler of a request with a query for a route that takes no parameters."""
    parameters(request.query)
    raise ProblemError(400, "The query can't be parsed; write it as name=value, or leave it out.")
