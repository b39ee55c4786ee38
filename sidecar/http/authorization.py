"""Whether a request has the token (RFC 6750, RFC 9110 section 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp.http_parser import RawRequestMessage

from sidecar.http.fields import AUTHORIZATION
from sidecar.http.messages import Request
from sidecar.http.problems import ProblemError
from sidecar.serving.token import Token

if TYPE_CHECKING:
    from aiohttp.streams import StreamReader
    from multidict import CIMultiDictProxy

    from sidecar.http.pipeline import Pipeline, Take

CHALLENGE = 'Bearer realm="cache-sidecar"'
NO_TOKEN = "This server requires a token; send it as Authorization: Bearer TOKEN."  # noqa: S105
WRONG_TOKEN = (
    "The token is not the one in force, which may have been replaced; read it again, and send it "  # noqa: S105
    "as Authorization: Bearer TOKEN."
)
TWICE = "There is more than one Authorization field; send it once."
_MESSAGE: Any = RawRequestMessage


class Authorization:
    """Compares the token that requests have with the one in force."""

    def __init__(self, token: Token) -> None:
        self._token = token
        self._allowed: tuple[object, bytes] | None = None
        """Header fields that had the token, and its digest: most requests repeat theirs, and one
        comparison is cheaper than a digest (see `repeated`)."""

    def check(self, request: Request) -> None:
        """Raises ProblemError: 401. A body that is still arriving is not kept then."""
        headers = request.headers
        if self._allows(headers):
            return
        given = headers.getall(AUTHORIZATION, [])
        sent = [_bearer(each) for each in given]
        if len(given) > 1:
            detail, error = TWICE, ', error="invalid_request"'
        elif any(sent):
            detail, error = WRONG_TOKEN, ', error="invalid_token"'
        else:
            detail, error = NO_TOKEN, ""
        field = f"WWW-Authenticate: {CHALLENGE}{error}\r\n"
        # A client that waits for a 100 may send no body now: what follows could be taken for it.
        raise ProblemError(401, detail, headers=field, close=not request.payload.is_eof())

    def guard(self, take: Take) -> Take:
        """`take` for requests that have the token; others are left to the task, which refuses
        them.
        """
        allows = self._allows

        def guarded(
            connection: Pipeline, message: RawRequestMessage, payload: StreamReader | bytes
        ) -> bool:
            return (
                type(message) is _MESSAGE  # else it is a parser's error
                and allows(message.headers)
                and take(connection, message, payload)
            )

        return guarded

    def _allows(self, headers: CIMultiDictProxy[str]) -> bool:
        token, allowed = self._token, self._allowed
        if allowed is not None and allowed[0] is headers and allowed[1] is token.digest:
            return True
        given = headers.getall(AUTHORIZATION, None)
        if given is None or len(given) > 1 or not token.matches(_bearer(given[0])):
            return False
        self._allowed = headers, token.digest
        return True


def _bearer(field: str) -> bytes:
    """The token in an Authorization field; nothing if it has another form."""
    scheme, _, token = field.partition(" ")
    if scheme.lower() != "bearer":
        return b""
    # As it came: aiohttp reads fields as UTF-8, with surrogates for what is not.
    return token.strip(" ").encode("utf-8", "surrogateescape")
