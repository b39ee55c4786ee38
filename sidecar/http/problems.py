"""Problem details (RFC 9457) for all errors: those of HTTP, and those common to all protocols."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from sidecar.api.errors import (
    ConditionFailedError,
    ConflictError,
    InvalidRequestError,
    OriginFailedError,
    OriginTooLateError,
    RequestError,
    TooLargeError,
    UnavailableError,
)

NOT_KEPT = "Cache-Control: no-store\r\n"
"""For all answers but hits: caches of clients may keep others, a 404 for example, for as long as
they guess (RFC 9111, section 4.2.2).
"""
PROBLEM_HEADERS = f"Content-Type: application/problem+json\r\n{NOT_KEPT}"

_STATUS: dict[type[RequestError], int] = {
    InvalidRequestError: 400,
    ConflictError: 409,
    ConditionFailedError: 412,
    TooLargeError: 413,
    OriginFailedError: 502,
    UnavailableError: 503,
    OriginTooLateError: 504,
}


class ProblemError(Exception):
    """A request can't be served. `detail` is a sentence that tells the client what to do."""

    def __init__(self, status: int, detail: str, *, headers: str = "", close: bool = False) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.close = close


def problem_of(error: RequestError, *, close: bool = False) -> ProblemError:
    """The HTTP problem for an error common to all protocols; 503 has a Retry-After."""
    headers = ""
    if isinstance(error, UnavailableError):
        headers = f"Retry-After: {error.retry_seconds}\r\n"
    [status] = [_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS]
    return ProblemError(status, error.detail, headers=headers, close=close)


def problem_body(status: int, detail: str) -> bytes:
    """The JSON of a problem. Its type is about:blank, since the status identifies the problem."""
    title = HTTPStatus(status).phrase
    # The detail may quote a request, whose bytes need not be valid text.
    detail = detail.encode("utf-8", "backslashreplace").decode()
    return msgspec.json.encode(
        {"type": "about:blank", "title": title, "status": status, "detail": detail}
    )
