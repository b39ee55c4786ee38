"""Errors as Redis 7.2 words them, so that clients recognize them, and our own."""

from __future__ import annotations

from sidecar.api.errors import RequestError, of_write
from sidecar.model.errors import NotReadyError, WriteError


class RespError(Exception):
    """An error reply: a code in capitals, and a sentence."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


SYNTAX = "ERR syntax error"
NOT_AN_INTEGER = "ERR value is not an integer or out of range"
NOT_A_FLOAT = "ERR value is not a valid float"
OVERFLOW = "ERR increment or decrement would overflow"
NO_AUTH = "NOAUTH Authentication required."
NO_SUCH_KEY = "ERR no such key"
OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'."
TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
TOO_LATE = (
    "TRYAGAIN There are more requests than can be answered in time; nothing was changed. "
    "Try again in a second."
)
NO_ANSWER = "TRYAGAIN L3 does not answer in time; nothing was changed. Try again."


MOST_SHOWN = 128


def shown(argument: bytes, most: int = MOST_SHOWN) -> str:
    """What an error shows of an argument: as in Redis, up to its first zero."""
    return argument[:most].partition(b"\0")[0].decode(errors="surrogateescape")


def arity(name: str) -> RespError:
    return RespError(f"ERR wrong number of arguments for '{name}' command")


def discarded(why: bytes) -> bytes:
    """The reply to an EXEC that did not run, of the error reply that says why."""
    return b"-EXECABORT Transaction discarded because of: " + why[1:].removeprefix(b"ERR ")


def expire_time(name: str) -> RespError:
    return RespError(f"ERR invalid expire time in '{name}' command")


def of_write_error(wrong: WriteError) -> str:
    """One of a write that failed."""
    if isinstance(wrong, NotReadyError):
        return NO_ANSWER
    return of_request(of_write(wrong, "what was written")).text


def of_request(error: RequestError) -> RespError:
    """One that any protocol may meet."""
    return RespError(f"ERR {error.detail}")
