"""Failures of requests to the API server, classified by how to handle them."""

from __future__ import annotations

import aiohttp
import msgspec

MAX_STATUS_BYTES = 16 << 10
MAX_MESSAGE_CHARACTERS = 300
MOST_RETRY_AFTER_SECONDS = 300.0

NOT_DECODED = (msgspec.MsgspecError, UnicodeDecodeError)
"""What decoding JSON raises; the second for bytes in a string that are not UTF-8."""


class CredentialsError(Exception):
    """There are no usable credentials. The message is one line that says what to do."""


class Trouble(Exception):  # noqa: N818  (a state that passes, told to the operator as a sentence)
    """A failed request. Its text is a sentence for the operator, the same for the same cause."""

    retry_after_seconds = 0.0
    """The wait that the server requested."""
    shared = False
    """Whether all clients notice it at the same moment."""
    resumable = True
    """Whether a watch may resume from its version: not if its next event is an error."""


class Dropped(Trouble):
    """The server is unavailable: connection refused, interrupted or timed out."""

    shared = True


class Silent(Dropped):
    """No data for long. Of a watch this proves nothing, since its object may be unchanged."""


class Refused(Trouble):
    """The server answered with an error.

    `final` if the same request would fail again, for example because it is malformed.
    """

    def __init__(
        self,
        message: str,
        retry_after_seconds: float = 0.0,
        *,
        final: bool = False,
        shared: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.final = final
        self.shared = shared


class Unauthorized(Refused):
    """401: the token has expired or was replaced, and has to be read again."""


class Forbidden(Refused):
    """403: a permission is missing. The message names the Role that grants it."""


class Gone(Refused):
    """410: the version is too old. Routine: a server that was restarted knows no earlier one."""

    resumable = False


class Details(msgspec.Struct, rename="camel"):
    """More about a failure."""

    retry_after_seconds: float = 0.0


class Status(msgspec.Struct):
    """The server's description of a failure, also the object of an ERROR event, which has no
    header that says how long to wait."""

    code: int = 0
    message: str = ""
    details: Details | None = None


def refusal(status: Status) -> Refused:
    """The failure for a status."""
    asked = status.details.retry_after_seconds if status.details else 0.0
    wait = min(max(asked, 0.0), MOST_RETRY_AFTER_SECONDS)
    match status.code:
        case 401:
            return Unauthorized("The API server rejected the token (401).", wait)
        case 403:
            return Forbidden(f"The API server denied the request (403): {status.message}", wait)
        case 410:
            return Gone("The API server no longer has this resource version (410).", wait)
        case code:
            final = code in (400, 404, 409, 413, 415, 422)
            why = f"The API server answered with {code}: {status.message}"
            # A load balancer answers for an unreachable server with 503.
            return Refused(why, wait, final=final, shared=code >= 500)


async def refused(answer: aiohttp.ClientResponse) -> Status:
    """The status of an error response."""
    body = await answer.content.read(MAX_STATUS_BYTES)
    retry_after = answer.headers.get("Retry-After", "")
    try:
        message = msgspec.json.decode(body, type=Status).message
    except NOT_DECODED:
        message = answer.reason or ""
    return Status(
        answer.status,
        " ".join(message.split())[:MAX_MESSAGE_CHARACTERS],
        Details(float(retry_after) if retry_after.isdecimal() else 0.0),
    )
