"""Problem details for every error (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus

import msgspec


class ProblemError(Exception):
    """A request can't be served. `detail` says what to do, in a sentence for its sender."""

    def __init__(self, status: int, detail: str, *, headers: str = "", close: bool = False) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.close = close


def retry_later(detail: str, seconds: int = 1, *, close: bool = False) -> ProblemError:
    """503 with Retry-After."""
    return ProblemError(503, detail, headers=f"Retry-After: {seconds}\r\n", close=close)


def problem_body(status: int, detail: str) -> bytes:
    """The JSON of a problem. Its type is about:blank: the status says what kind it is."""
    title = HTTPStatus(status).phrase
    # What a request sent may be quoted, and need not be text.
    detail = detail.encode("utf-8", "backslashreplace").decode()
    return msgspec.json.encode(
        {"type": "about:blank", "title": title, "status": status, "detail": detail}
    )
