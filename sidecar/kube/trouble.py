"""What keeps the API server from answering, by what is to be done about it."""

from __future__ import annotations

import aiohttp
import msgspec

MAX_STATUS_BYTES = 16 << 10
MAX_MESSAGE_CHARACTERS = 300
MOST_RETRY_AFTER_SECONDS = 300.0


class CredentialsError(Exception):
    """There is no way to speak to the API server; the message is one line that says what to do."""


class Trouble(Exception):  # noqa: N818  (a state that passes, told to the operator as a sentence)
    """A request that failed. As text: a sentence for the operator, alike for alike causes."""

    retry_after_seconds = 0.0
    """What the server asked for."""
    shared = False
    """Whether all who watch notice it at the same moment."""


class Dropped(Trouble):
    """The server is away: refused, broken off, or silent for longer than it ever should be."""

    shared = True


class Silent(Dropped):
    """Nothing came for longer than a server that is well ever lets pass."""


class Refused(Trouble):
    """The server answers, with something else than what was asked for.

    `final` where the same request would be refused again: it was not well-formed, say.
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
    """401: the token has expired or was replaced; it is to be read again."""


class Forbidden(Refused):
    """403: a right is missing; the message is the Role that grants it."""


class Gone(Refused):
    """There is no going on from a version, too old (410) or damaged; a new list is needed."""


class Status(msgspec.Struct):
    """What the server says of a request that is no success; an ERROR event's object, too."""

    code: int = 0
    message: str = ""
    retry_after_seconds: float = 0.0


def refusal(status: Status) -> Refused:
    """The trouble that a status is."""
    wait = status.retry_after_seconds
    match status.code:
        case 401:
            return Unauthorized("The API server does not know our token (401).", wait)
        case 403:
            return Forbidden(f"The API server refuses it (403): {status.message}", wait)
        case 410:
            return Gone("The API server does not know our version any more (410).", wait)
        case code:
            final = code in (400, 404, 409, 413, 415, 422)
            why = f"The API server answers {code}: {status.message}"
            # A load balancer says of a server that is away that it is unavailable (503).
            return Refused(why, wait, final=final, shared=code >= 500)


async def refused(answer: aiohttp.ClientResponse) -> Status:
    """What an answer that is no success says."""
    body = await answer.content.read(MAX_STATUS_BYTES)
    retry_after = answer.headers.get("Retry-After", "")
    try:
        message = msgspec.json.decode(body, type=Status).message
    except msgspec.MsgspecError:
        message = answer.reason or ""
    return Status(
        answer.status,
        " ".join(message.split())[:MAX_MESSAGE_CHARACTERS],
        min(float(retry_after), MOST_RETRY_AFTER_SECONDS) if retry_after.isdecimal() else 0.0,
    )
