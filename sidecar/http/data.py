"""One entry over HTTP: GET, HEAD, PUT, DELETE /v1/cache/{namespace}/{key}."""

from __future__ import annotations

import math
from typing import Annotated, Literal
from urllib.parse import unquote_to_bytes

from msgspec import UNSET, Meta, Struct, UnsetType

from sidecar.api.values import MAX_TTL_SECONDS, NEVER_SECONDS, content_type_of, seconds_of
from sidecar.http.browsers import SANDBOX
from sidecar.http.conditions import (
    condition_of,
    etag,
    status_of_read,
    ttl_of,
)
from sidecar.http.messages import Reply, Request
from sidecar.http.problems import ProblemError, problem_body, retry_later
from sidecar.model.clock import Clock
from sidecar.model.entry import DEFAULT_CONTENT_TYPE, Hit, name_error
from sidecar.model.errors import (
    OutcomeUnknownError,
    PreconditionFailedError,
    TooManyInvalidationsError,
    WriteError,
)
from sidecar.store.store import Ask, Condition, Store, Written

PREFIX = "/v1/cache/"
_MISS_HEADERS = (
    "Content-Type: application/problem+json\r\nCache-Status: cache-sidecar; fwd=miss\r\n"
)
_MISS_BODY = problem_body(
    404, "There is no entry of this name: it was never put, or expired, evicted or deleted."
)


Lifetime = Annotated[float, Meta(ge=0, le=MAX_TTL_SECONDS)] | Literal["never"]


def _lifetime(text: str) -> Lifetime:
    return "never" if text == "never" else seconds_of(text)


class PutQuery(Struct, frozen=True):
    """The lifetime of an entry, where it is stated in the query."""

    ttl: Annotated[
        Lifetime | UnsetType,
        Meta(description="Its lifetime in seconds, or `never`.", extra={"read": _lifetime}),
    ] = UNSET


class EntryApi:
    """The data path's handlers."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def is_not_in_memory(self, request: Request) -> bool:
        """Whether a read has to wait for L3."""
        return isinstance(self._store.locate(full_key(request.path)), Ask)

    async def get(self, request: Request) -> Reply:
        key = full_key(request.path)
        hit = await self._store.get(key)
        if hit is None:
            if not key_is_valid(key):
                raise bad_name(key)
            return Reply(404, _MISS_HEADERS, _MISS_BODY)
        return self._found(request, hit)

    async def put(self, request: Request, query: PutQuery) -> Reply:
        key = _checked_key(request.path)
        headers = request.headers
        if "Content-Range" in headers:
            raise ProblemError(400, "A value is put whole; send it without Content-Range.")
        config = self._store.config
        if query.ttl is UNSET:
            ttl = ttl_of(headers, config.default_ttl_seconds)
        else:
            ttl = math.inf if isinstance(query.ttl, str) else query.ttl
        content_type = content_type_of(headers.get("Content-Type") or DEFAULT_CONTENT_TYPE)
        value = await request.body(config.max_value_bytes)
        condition = condition_of(headers)
        try:
            written = await self._store.put(key, value, content_type, ttl, condition)
        except WriteError as error:
            raise problem_of(error, "the value") from None
        assert written.entry is not None  # noqa: S101  (a put has one)
        lines = f"ETag: {etag(written.entry)}\r\n{_stored(written)}"
        return Reply(204 if written.replaced else 201, lines)

    async def delete(self, request: Request) -> Reply:
        key = _checked_key(request.path)
        condition = condition_of(request.headers)
        if condition is not None:
            condition = _where_there_is_one(condition)
        try:
            written = await self._store.delete(key, condition)
        except WriteError as error:
            raise problem_of(error, "the deletion") from None
        if not written.replaced:
            return Reply(404, _MISS_HEADERS, _MISS_BODY)
        return Reply(204, "" if written.durable else _stored(written))

    def _found(self, request: Request, hit: Hit) -> Reply:
        entry, value = hit.entry, hit.value
        now = self._clock()
        age = int(now - entry.created_at)
        if entry.expires_at - now < MAX_TTL_SECONDS:
            left = max(0, int(entry.expires_at - now))
            life = f"; ttl={left}"
        else:
            left, life = NEVER_SECONDS, ""
        tag = etag(entry)
        lines = (
            f"ETag: {tag}\r\nAge: {max(0, age)}\r\nCache-Control: max-age={left}\r\n"
            f"Cache-Status: cache-sidecar; hit{life}; detail={hit.tier}\r\n"
        )
        headers = request.headers
        if "If-None-Match" in headers or "If-Match" in headers:
            status = status_of_read(headers, entry)
            if status == 412:
                raise _precondition_failed()
            if status == 304:
                return Reply(304, lines)
        if "Sec-Fetch-Dest" in headers:
            lines += SANDBOX
        return Reply(200, f"Content-Type: {entry.content_type}\r\n{lines}", value)


def problem_of(error: WriteError, what: str) -> ProblemError:
    """What is to be told of a write that failed; `what` is what it would have stored."""
    match error:
        case PreconditionFailedError():
            return _precondition_failed()
        case TooManyInvalidationsError():
            return retry_later("Too many invalidations are being worked off; try again.", 5)
        case OutcomeUnknownError():
            return retry_later(
                f"L3 did not answer in time: whether {what} is durable is not known. "
                "It is in force now, and may be lost in a restart. Try again to be sure."
            )
        case _:
            return retry_later("L3 is not ready; nothing was changed. Try again.")


def full_key(path: str) -> bytes:
    """The key below PREFIX, percent-decoded, not yet checked."""
    name = path[len(PREFIX) :]
    if "%" in name:
        return unquote_to_bytes(name)
    return name.encode("utf-8", "surrogateescape")


def key_is_valid(key: bytes) -> bool:
    namespace, slash, rest = key.partition(b"/")
    return bool(slash) and name_error(namespace, rest) is None


def bad_name(key: bytes) -> ProblemError:
    namespace, slash, rest = key.partition(b"/")
    if not slash:
        return ProblemError(400, f"A key is named {PREFIX}{{namespace}}/{{key}}.")
    return ProblemError(400, name_error(namespace, rest) or "This is no name of a key.")


def _checked_key(path: str) -> bytes:
    key = full_key(path)
    if not key_is_valid(key):
        raise bad_name(key)
    return key


def _where_there_is_one(condition: Condition) -> Condition:
    """What would be a 404 without conditions is one with them (RFC 9110, section 13.2.1)."""
    return lambda entry: entry is None or condition(entry)


def _stored(written: Written) -> str:
    place = "l3" if written.durable else "memory"
    return f"Cache-Status: cache-sidecar; stored; detail={place}\r\n"


def _precondition_failed() -> ProblemError:
    return ProblemError(
        412,
        "The condition does not hold for the version in force; GET its ETag, and try again.",
    )
