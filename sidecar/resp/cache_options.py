"""The options of CACHE.GET and CACHE.SET: words in any case and order, each behind the key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from sidecar.api.errors import InvalidRequestError
from sidecar.api.leases import LEASE_SECONDS, WAIT_SECONDS
from sidecar.api.terms import tags_of
from sidecar.api.values import MAX_TTL_SECONDS, content_type_of, seconds_of
from sidecar.model.entry import DEFAULT_CONTENT_TYPE
from sidecar.model.terms import MAX_TAGS
from sidecar.resp.call import Call
from sidecar.resp.errors import SYNTAX, RespError
from sidecar.resp.lives import UNITS_MS, Options, options_of
from sidecar.resp.times import NEVER

GET_USAGE = "CACHE.GET key [LEASE seconds [WAIT seconds] [BOUND]] [ONERROR]"
SET_USAGE = (
    "CACHE.SET key value [EX seconds | PX milliseconds | EXAT unix-seconds | PXAT "
    "unix-milliseconds | KEEPTTL] [NX | XX] [TYPE media/type] [TAGS count tag [tag ...]] "
    "[STALE seconds] [STALEERROR seconds] [SLIDING [MAXAGE seconds]] [LEASE token]"
)
LIVES = frozenset({*UNITS_MS, b"keepttl", b"nx", b"xx"})
"""Options that SET has as well."""


class Wanted(NamedTuple):
    """What a CACHE.GET asks for. Without a lease, `lease_seconds` is 0."""

    lease_seconds: float = 0.0
    wait_seconds: float = 0.0
    is_bound: bool = False
    on_error: bool = False


def wanted_of(call: Call) -> Wanted:
    """Raises RespError."""
    wanted, index = Wanted(), 2
    while index < len(call.arguments):
        match call.word(index):
            case b"lease":
                index += 1
                wanted = wanted._replace(lease_seconds=_seconds(call, index, LEASE_SECONDS))
                if not wanted.lease_seconds:
                    raise RespError("ERR A lease of 0 seconds has run out: send LEASE 10.")
            case b"wait":
                index += 1
                wanted = wanted._replace(wait_seconds=_seconds(call, index, WAIT_SECONDS))
            case b"bound":
                wanted = wanted._replace(is_bound=True)
            case b"onerror":
                wanted = wanted._replace(on_error=True)
            case _:
                wrong_syntax(GET_USAGE)
        index += 1
    if not wanted.lease_seconds and (wanted.wait_seconds or wanted.is_bound):
        raise RespError("ERR WAIT and BOUND are about a lease: send LEASE 10 too.")
    if wanted.lease_seconds and wanted.on_error:
        raise RespError(
            "ERR ONERROR is for who could not load the value, LEASE for who is about to: send one "
            "of them."
        )
    return wanted


@dataclass(slots=True)
class Stated:
    """What a CACHE.SET states; `options` are those that SET has as well."""

    options: Options = field(default_factory=Options)
    expires_at: float = NEVER
    content_type: str = DEFAULT_CONTENT_TYPE
    tags: tuple[str, ...] = ()
    while_revalidate: float = 0.0
    if_error: float = 0.0
    is_sliding: bool = False
    max_age: float | None = None
    lease: str | None = None


def stated_of(call: Call) -> Stated:
    """Raises RespError, InvalidRequestError."""
    stated, index, arguments = Stated(), 3, call.arguments
    as_set = call.of(call.command, arguments[:3])
    while index < len(arguments):
        word = call.word(index)
        if word in LIVES:
            count = 2 if word in UNITS_MS else 1
            as_set.arguments += arguments[index : index + count]
            index += count
            continue
        if word == b"sliding":
            stated.is_sliding = True
            index += 1
            continue
        index += 1
        argument = _argument(call, index, SET_USAGE)
        match word:
            case b"type":
                stated.content_type = _content_type(argument)
            case b"tags":
                count = _count_of_tags(call, index)
                stated.tags = tags_of(map(text_of, arguments[index + 1 : index + 1 + count]))
                index += count
            case b"stale":
                stated.while_revalidate = _seconds(call, index)
            case b"staleerror":
                stated.if_error = _seconds(call, index)
            case b"maxage":
                stated.max_age = _seconds(call, index)
            case b"lease":
                stated.lease = text_of(argument)
            case _:
                wrong_syntax(SET_USAGE)
        index += 1
    _state_life(stated, as_set)
    return stated


def _state_life(stated: Stated, as_set: Call) -> None:
    """Raises RespError."""
    stated.options = options = _options(as_set)
    if options.option:
        stated.expires_at = options.expires_at(as_set)
    elif stated.is_sliding:
        raise RespError("ERR A life that slides has an end: send EX 60 or PX 60000 too.")
    if stated.max_age is not None and not stated.is_sliding:
        raise RespError("ERR MAXAGE bounds a life that slides: send SLIDING too.")


def _options(as_set: Call) -> Options:
    """Raises RespError."""
    try:
        return options_of(as_set, 3, LIVES)
    except RespError as wrong:
        if wrong.text == SYNTAX:
            wrong_syntax(SET_USAGE)
        raise


def _count_of_tags(call: Call, index: int) -> int:
    """How many follow. Raises RespError."""
    count = call.integer(index)
    if not 0 <= count <= MAX_TAGS or count >= len(call.arguments) - index:
        raise RespError(
            f"ERR TAGS takes the number of tags, 0 to {MAX_TAGS}, and the tags: TAGS 2 a b."
        )
    return count


def _content_type(argument: bytes) -> str:
    """Raises RespError."""
    try:
        return content_type_of(text_of(argument))
    except InvalidRequestError:
        raise RespError("ERR TYPE takes a media type: TYPE application/json.") from None


def _argument(call: Call, index: int, usage: str) -> bytes:
    if index >= len(call.arguments):
        wrong_syntax(usage)
    return call.arguments[index]


def _seconds(call: Call, index: int, most: int = MAX_TTL_SECONDS) -> float:
    """Raises RespError."""
    name = call.word(index - 1).decode().upper()
    text = call.arguments[index] if index < len(call.arguments) else b""
    try:
        return seconds_of(text_of(text), never=False, most=most)
    except InvalidRequestError:
        raise RespError(
            f"ERR {name} takes seconds from 0 to {most}: {name} {min(60, most)}."
        ) from None


def text_of(argument: bytes) -> str:
    """A string that has other characters than ASCII where the argument has."""
    return argument.decode("latin-1")


def wrong_syntax(usage: str) -> NoReturn:
    raise RespError(f"{SYNTAX}: {usage}")
