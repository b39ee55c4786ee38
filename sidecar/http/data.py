"""One entry over HTTP: GET, HEAD, PUT, DELETE /v1/cache/{namespace}/{key}."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal
from urllib.parse import unquote_to_bytes

from msgspec import UNSET, Meta, Struct, UnsetType

from sidecar.api.conditions import Condition
from sidecar.api.errors import InvalidRequestError, condition_failed, of_write
from sidecar.api.names import check_name
from sidecar.api.values import (
    MAX_TTL_SECONDS,
    NEVER_SECONDS,
    content_type_of,
    life_of,
    seconds_left,
    seconds_of,
)
from sidecar.http.browsers import SANDBOX
from sidecar.http.conditions import (
    condition_of,
    etag,
    status_of_read,
    ttl_of,
)
from sidecar.http.messages import Reply, Request
from sidecar.http.problems import problem_body
from sidecar.model.clock import Clock
from sidecar.model.entry import DEFAULT_CONTENT_TYPE, Entry, Hit
from sidecar.model.errors import WriteError
from sidecar.store.store import Ask, Store, Written

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
    """The lifetime of an entry, if given in the query."""

    ttl: Annotated[
        Lifetime | UnsetType,
        Meta(description="Its lifetime in seconds, or `never`.", extra={"read": _lifetime}),
    ] = UNSET


class EntryApi:
    """The handlers of the data path."""

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
            _check(key)
            return Reply(404, _MISS_HEADERS, _MISS_BODY)
        return self._found(request, hit)

    async def put(self, request: Request, query: PutQuery) -> Reply:
        key = _checked_key(request.path)
        headers = request.headers
        if "Content-Range" in headers:
            raise InvalidRequestError("A value is put whole; send it without Content-Range.")
        config = self._store.config
        if query.ttl is UNSET:
            ttl = ttl_of(headers, config.default_ttl_seconds)
        else:  # Cache-Control is not read then, be it valid or not
            ttl = life_of(query.ttl, config.default_ttl_seconds)
        content_type = content_type_of(headers.get("Content-Type") or DEFAULT_CONTENT_TYPE)
        value = await request.body(config.max_value_bytes)
        condition = condition_of(headers)
        holds = None if condition is None else condition.holds
        try:
            written = await self._store.put(key, value, content_type, ttl, holds)
        except WriteError as error:
            raise of_write(error, "the value") from None
        assert written.entry is not None  # noqa: S101  (a put has one)
        lines = f"ETag: {etag(written.entry)}\r\n{_stored(written)}"
        return Reply(204 if written.replaced else 201, lines)

    async def delete(self, request: Request) -> Reply:
        key = _checked_key(request.path)
        condition = condition_of(request.headers)
        holds = None if condition is None else partial(_where_there_is_one, condition)
        try:
            written = await self._store.delete(key, holds)
        except WriteError as error:
            raise of_write(error, "the deletion") from None
        if not written.replaced:
            return Reply(404, _MISS_HEADERS, _MISS_BODY)
        return Reply(204, "" if written.durable else _stored(written))

    def _found(self, request: Request, hit: Hit) -> Reply:
        entry, value = hit.entry, hit.value
        now = self._clock()
        age = int(now - entry.created_at)
        left = seconds_left(entry.expires_at, now)
        life, max_age = ("", NEVER_SECONDS) if left is None else (f"; ttl={left}", left)
        tag = etag(entry)
        lines = (
            f"ETag: {tag}\r\nAge: {max(0, age)}\r\nCache-Control: max-age={max_age}\r\n"
            f"Cache-Status: cache-sidecar; hit{life}; detail={hit.tier}\r\n"
        )
        headers = request.headers
        if "If-None-Match" in headers or "If-Match" in headers:
            status = status_of_read(headers, entry)
            if status == 412:
                raise condition_failed()
            if status == 304:
                return Reply(304, lines)
        if "Sec-Fetch-Dest" in headers:
            lines += SANDBOX
        return Reply(200, f"Content-Type: {entry.content_type}\r\n{lines}", value)


def full_key(path: str) -> bytes:
    """The key after PREFIX, percent-decoded, not yet validated."""
    name = path[len(PREFIX) :]
    if "%" in name:
        return unquote_to_bytes(name)
    return name.encode("utf-8", "surrogateescape")


def _check(key: bytes) -> None:
    """Raise InvalidRequestError if it is not a full key."""
    namespace, slash, rest = key.partition(b"/")
    if not slash:
        raise InvalidRequestError(f"A key is named {PREFIX}{{namespace}}/{{key}}.")
    check_name(namespace, rest)


def _checked_key(path: str) -> bytes:
    key = full_key(path)
    _check(key)
    return key


def _where_there_is_one(condition: Condition, entry: Entry | None) -> bool:
    """Whether it holds; True without an entry, which is then a 404 (RFC 9110, section 13.2.1)."""
    return entry is None or condition.holds(entry)


def _stored(written: Written) -> str:
    place = "l3" if written.durable else "memory"
    return f"Cache-Status: cache-sidecar; stored; detail={place}\r\n"
