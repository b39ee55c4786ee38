"""The answers to a GET of a key whose namespace reads through to an origin."""

from __future__ import annotations

from sidecar.api.errors import (
    InvalidRequestError,
    OriginFailedError,
    OriginTooLateError,
    RequestError,
    UnavailableError,
)
from sidecar.http.lives import accepts_stale, reads_only_cache, revalidates
from sidecar.http.messages import Reply, Request
from sidecar.http.problems import NOT_KEPT, PROBLEM_HEADERS, problem_body
from sidecar.loading.answers import Absent, Loaded, Passed
from sidecar.loading.loader import Loader
from sidecar.origins.errors import NotAskedError, OriginError, UnsafeKeyError
from sidecar.store.store import Store

_HIT = "Cache-Status: cache-sidecar; hit;"
_STORED = "Cache-Status: cache-sidecar; fwd=miss; fwd-status=200; stored;"
_COLLAPSED = "Cache-Status: cache-sidecar; fwd=miss; fwd-status=200; collapsed; stored;"
_FORWARDED = "Cache-Status: cache-sidecar; fwd=miss; fwd-status=%d\r\n"
FAILURES = (OriginError, NotAskedError, UnsafeKeyError)


async def hit_or_reply(
    loader: Loader, store: Store, request: Request, key: bytes
) -> Loaded | Reply:
    """What answers a GET: a hit, or a reply without one. Raises RequestError."""
    headers, reserve = request.headers, request.protocol.reserve
    on_error = accepts_stale(headers)
    if reads_only_cache(headers):
        hit = await store.get(key, reserve, on_error=on_error)
        if hit is None:
            raise OriginTooLateError("There is no such entry, and only-if-cached was sent.")
        return Loaded(hit)
    try:
        answer = await loader.get(key, reserve, on_error=on_error, revalidate=revalidates(headers))
    except FAILURES as error:
        raise failure(error) from None
    match answer:
        case Absent():
            return _absent(answer)
        case Passed():
            return _passed(answer)
        case Loaded():
            return answer


def forwarded(reply: Reply, *, collapsed: bool) -> Reply:
    """The reply to a hit that was fetched for this request, or for another (RFC 9211)."""
    reply.headers = reply.headers.replace(_HIT, _COLLAPSED if collapsed else _STORED, 1)
    return reply


def _passed(answer: Passed) -> Reply:
    """A response that was not stored, with its status."""
    head = f"Content-Type: {answer.content_type}\r\n{NOT_KEPT}{_FORWARDED % answer.status}"
    return Reply(answer.status, head, answer.value)


def _absent(answer: Absent) -> Reply:
    detail = "The origin of this namespace has no such value."
    return Reply(404, PROBLEM_HEADERS + _FORWARDED % answer.status, problem_body(404, detail))


def failure(error: OriginError | NotAskedError | UnsafeKeyError) -> RequestError:
    """What is wrong with a request that only the origin could have answered."""
    match error:
        case OriginError(status=504):
            return OriginTooLateError(f"{error} Try again.")
        case OriginError():
            return OriginFailedError(f"The origin gave no usable answer: {error}")
        case NotAskedError():
            return UnavailableError(f"{error} Try again.", max(1, round(error.retry_after_seconds)))
        case _:
            return InvalidRequestError(str(error))
