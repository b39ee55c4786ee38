"""One entry over HTTP: GET, HEAD, PUT, DELETE /v1/cache/{namespace}/{key}."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import unquote_to_bytes

from msgspec import UNSET, Meta, Struct, UnsetType

from sidecar.api.conditions import Condition
from sidecar.api.errors import InvalidRequestError, TooLateError, condition_failed, of_write
from sidecar.api.values import (
    MAX_TTL_SECONDS,
    content_type_of,
    life_of,
    seconds_of,
)
from sidecar.http.browsers import SANDBOX
from sidecar.http.conditions import (
    condition_of,
    status_of_read,
    ttl_of,
)
from sidecar.http.fields import CONTENT_RANGE, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH, SEC_FETCH_DEST
from sidecar.http.messages import Reply, Request
from sidecar.http.problems import PROBLEM_HEADERS, problem_body
from sidecar.model.clock import Clock
from sidecar.model.entry import DEFAULT_CONTENT_TYPE, Entry, Hit, is_full_key, name_error
from sidecar.model.errors import WriteError
from sidecar.store.store import Ask, Store, Written

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    Headers = CIMultiDictProxy[str]

PREFIX = "/v1/cache/"
_MISS_HEADERS = f"{PROBLEM_HEADERS}Cache-Status: cache-sidecar; fwd=miss\r\n"
_MISS_BODY = problem_body(
    404, "There is no entry of this name: it was never put, or expired, evicted or deleted."
)


# For %, which takes half the time of an f-string, if the numbers are integers.
LINES_OF_HIT = (
    'ETag: "%x"\r\nAge: %d\r\nCache-Control: no-cache\r\n'
    "Cache-Status: cache-sidecar; hit; ttl=%d; detail=%s\r\n"
)
_NEVER = (
    'ETag: "%x"\r\nAge: %d\r\nCache-Control: no-cache\r\n'
    "Cache-Status: cache-sidecar; hit; detail=%s\r\n"
)
_STORED = "Cache-Status: cache-sidecar; stored; detail=%s\r\n"
_PUT = f'ETag: "%x"\r\n{_STORED}'


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
        if self.is_not_in_memory(request):
            check_wait(request, self._store.refuses_read)
        hit = await self._store.get(key, request.protocol.reserve)
        return self.reply_to_get(key, request.headers, hit)

    async def put(self, request: Request, query: PutQuery) -> Reply:
        headers = request.headers
        key, content_type, ttl = self.check_put(request.path, headers, query)
        check_wait(request, self._store.refuses_write)
        value = await request.body(self._store.config.max_value_bytes)
        condition = condition_of(headers)
        holds = None if condition is None else condition.holds
        try:
            written = await self._store.put(key, value, content_type, ttl, holds)
        except WriteError as error:
            raise of_write(error, "the value") from None
        return reply_to_put(written)

    async def delete(self, request: Request) -> Reply:
        key = checked_key(request.path)
        check_wait(request, self._store.refuses_write)
        condition = condition_of(request.headers)
        holds = None if condition is None else partial(_where_there_is_one, condition)
        try:
            written = await self._store.delete(key, holds)
        except WriteError as error:
            raise of_write(error, "the deletion") from None
        return reply_to_delete(written)

    def check_put(self, path: str, headers: Headers, query: PutQuery) -> tuple[bytes, str, float]:
        """The key, the media type and the life of what a PUT stores."""
        key = checked_key(path)
        if CONTENT_RANGE in headers:
            raise InvalidRequestError("A value is put whole; send it without Content-Range.")
        default = self._store.config.default_ttl_seconds
        # With ?ttl, Cache-Control is not read, be it valid or not.
        ttl = (
            ttl_of(headers, default, self._clock())
            if query.ttl is UNSET
            else life_of(query.ttl, default)
        )
        return key, content_type_of(headers.get(CONTENT_TYPE) or DEFAULT_CONTENT_TYPE), ttl

    def reply_to_get(self, key: bytes, headers: Headers, hit: Hit | None) -> Reply:
        if hit is None:
            if not is_full_key(key):
                raise _wrong_name(key)
            return reply_to_miss()
        entry, lines = hit.entry, lines_of_hit(hit, self._clock())
        if IF_NONE_MATCH in headers or IF_MATCH in headers:
            status = status_of_read(headers, entry)
            if status == 412:
                raise condition_failed()
            if status == 304:
                return Reply(304, lines)
        if SEC_FETCH_DEST in headers:
            lines += SANDBOX
        return Reply(200, f"Content-Type: {entry.content_type}\r\n{lines}", hit.value)


def reply_to_miss() -> Reply:
    return Reply(404, _MISS_HEADERS, _MISS_BODY)


def has_conditions(headers: Headers) -> bool:
    """Whether the answer to a hit depends on more than the entry."""
    return IF_NONE_MATCH in headers or IF_MATCH in headers or SEC_FETCH_DEST in headers


def lines_of_hit(hit: Hit, now: float) -> str:
    """The header fields of an answer that is a hit, without its content type.

    A client's own cache has to ask again each time: another client may have put or deleted the
    entry, whatever it has left to live.
    """
    entry = hit.entry
    times = entry.times
    age, left = now - times.real, times.imag - now
    age = 0.0 if age < 0 else age
    if left >= MAX_TTL_SECONDS:
        return _NEVER % (entry.seq, int(age), hit.tier)
    left = 0.0 if left < 0 else left
    return LINES_OF_HIT % (entry.seq, int(age), int(left), hit.tier)


def reply_to_put(written: Written) -> Reply:
    assert written.entry is not None  # noqa: S101  (a put has one)
    lines = _PUT % (written.entry.seq, "l3" if written.durable else "memory")
    return Reply(204 if written.replaced else 201, lines)


def reply_to_delete(written: Written) -> Reply:
    if not written.replaced:
        return reply_to_miss()
    return Reply(204, "" if written.durable else _STORED % "memory")


def full_key(path: str) -> bytes:
    """The key after PREFIX, percent-decoded, not yet validated."""
    name = path[len(PREFIX) :]
    if "%" in name:
        return unquote_to_bytes(name)
    return name.encode("utf-8", "surrogateescape")


def checked_key(path: str) -> bytes:
    """The key after PREFIX. Raises InvalidRequestError."""
    key = full_key(path)
    if not is_full_key(key):
        raise _wrong_name(key)
    return key


def check_wait(request: Request, refuses: Callable[[], bool]) -> None:
    """Raises TooLateError if it would wait for L3 too long."""
    if not request.protocol.admission.has_few and refuses():
        raise TooLateError


def _wrong_name(key: bytes) -> InvalidRequestError:
    namespace, slash, rest = key.partition(b"/")
    wrong = name_error(namespace, rest) if slash else None
    return InvalidRequestError(wrong or f"A key is named {PREFIX}{{namespace}}/{{key}}.")


def _where_there_is_one(condition: Condition, entry: Entry | None) -> bool:
    """Whether it holds; True without an entry, which is then a 404 (RFC 9110, section 13.2.1)."""
    return entry is None or condition.holds(entry)
