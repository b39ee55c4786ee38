"""One entry over HTTP: GET, HEAD, PUT, PATCH, POST, DELETE /v1/cache/{namespace}/{key}."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from msgspec import UNSET, UnsetType

from sidecar.api.counters import CONTENT_TYPE as CONTENT_TYPE_OF_COUNTER
from sidecar.api.counters import Step
from sidecar.api.errors import InvalidRequestError, TooLateError, of_write
from sidecar.api.terms import terms_of
from sidecar.api.values import (
    KEEP,
    content_type_of,
    life_of,
)
from sidecar.http.conditions import condition_of
from sidecar.http.fields import CACHE_LEASE, CONTENT_RANGE, CONTENT_TYPE
from sidecar.http.hits import Aside, HitReplies, lines_of_hit, lines_of_value, takes_frames
from sidecar.http.lives import (
    accepts_stale,
    graces_of,
    states_grace,
    ttl_of,
)
from sidecar.http.messages import Reply, Request
from sidecar.http.preferences import APPLIED, wants_representation
from sidecar.http.queries import CountQuery, GetQuery, PutQuery, TouchQuery
from sidecar.http.tags import may_state_terms, tags_in
from sidecar.http.through import forwarded, hit_or_reply
from sidecar.http.written import (
    lines_of_version,
    reply_to_count,
    reply_to_delete,
    reply_to_miss,
    reply_to_put,
)
from sidecar.loading.answers import Loaded
from sidecar.loading.loader import Loader
from sidecar.model.clock import Clock
from sidecar.model.entry import DEFAULT_CONTENT_TYPE, Entry, Hit, is_full_key, name_error, split
from sidecar.model.errors import WriteError
from sidecar.model.terms import Terms
from sidecar.store.store import Ask, Condition, OnWritten, Store

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    Headers = CIMultiDictProxy[str]

PREFIX = "/v1/cache/"
_NO_LEASE = GetQuery()


class EntryApi:
    """The handlers of the data path."""

    def __init__(self, store: Store, clock: Clock, loader: Loader) -> None:
        self._store = store
        self.loader = loader
        self._clock = clock
        self.hits = HitReplies(clock)

    def is_not_in_memory(self, request: Request) -> bool:
        """Whether a read has to wait for L3."""
        return isinstance(self._store.locate(full_key(request.path)), Ask)

    async def get(self, request: Request, query: GetQuery) -> Reply:
        key = full_key(request.path)
        if self.is_not_in_memory(request) and not self.loader.is_loading(key):
            check_wait(request, partial(self._store.refuses_read, key))
        if query.lease is not UNSET:
            return await self._get_or_lease(request, query, query.lease)
        if query.wait or query.bound:
            raise InvalidRequestError("wait and bound are about a lease; send lease=10 too.")
        headers, is_get = request.headers, request.method == "GET"
        if self.loader.covers(key):
            found = await hit_or_reply(self.loader, self._store, request, key)
            if isinstance(found, Reply):
                return found
            return await self._reply_fetched(request, key, found)
        packed = takes_frames(headers, is_get=is_get)
        hit = await self._store.get(
            key, request.protocol.reserve, packed=packed, on_error=accepts_stale(headers)
        )
        return await self._reply(request, key, hit)

    async def head(self, request: Request) -> Reply:
        return await self.get(request, _NO_LEASE)

    async def _get_or_lease(self, request: Request, query: GetQuery, seconds: float) -> Reply:
        key, connection = checked_key(request.path), request.protocol
        try:
            hit, lease = await self._store.get_or_lease(
                key, seconds, query.wait, connection.reserve
            )
        except WriteError as error:
            raise of_write(error, "the lease") from None
        if lease is None:
            return await self._reply(request, key, hit)
        give_back = partial(self._store.leases.give_back, lease)
        if query.bound or connection.transport is None:
            connection.at_end(give_back)
        try:
            reply = await self._reply(request, key, hit)
        except BaseException:
            give_back()  # nobody is told of it
            raise
        reply.headers += f"Cache-Lease: {lease.token}\r\n"
        return reply

    async def _reply_fetched(self, request: Request, key: bytes, loaded: Loaded) -> Reply:
        reply = await self._reply(request, key, loaded.hit)
        return forwarded(reply, collapsed=loaded.collapsed) if loaded.fetched else reply

    async def _reply(self, request: Request, key: bytes, hit: Hit | None) -> Reply:
        is_get = request.method == "GET"
        reply = self.reply_to_get(key, request.headers, hit, is_get=is_get)
        if isinstance(reply, Aside):
            return await self.hits.reply_aside(reply, request.protocol)
        return reply

    async def put(self, request: Request, query: PutQuery) -> Reply:
        headers = request.headers
        key, content_type, ttl, terms = self.check_put(request.path, headers, query)
        check_wait(request, self._store.refuses_write)
        value = await request.body(self._store.config.max_value_bytes)
        try:
            written = await self._store.put(
                key,
                value,
                content_type,
                ttl,
                _holds(headers),
                keeps_life=query.ttl == KEEP,
                terms=terms,
                lease=headers.get(CACHE_LEASE),
            )
        except WriteError as error:
            raise of_write(error, "the value") from None
        return reply_to_put(written)

    async def delete(self, request: Request) -> Reply:
        key = checked_key(request.path)
        check_wait(request, self._store.refuses_write)
        holds = _holds_where_there_is_one(request.headers)
        try:
            if wants_representation(request.headers):
                taken = await self._store.take(key, holds, request.protocol.reserve)
                return self._reply_to_take(request.headers, taken)
            written = await self._store.delete(key, holds)
        except WriteError as error:
            raise of_write(error, "the deletion") from None
        return reply_to_delete(written)

    async def touch(self, request: Request, query: TouchQuery) -> Reply:
        key = checked_key(request.path)
        request.refuse_body()
        check_wait(request, self._store.refuses_write)
        holds = _holds_where_there_is_one(request.headers)
        life = self._life(key, request.headers, query.ttl)
        try:
            written = await self._store.touch(key, life, holds)
        except WriteError as error:
            raise of_write(error, "the lifetime") from None
        return reply_to_miss() if written is None else Reply(204, lines_of_version(written))

    async def count(self, request: Request, query: CountQuery) -> Reply:
        key = checked_key(request.path)
        request.refuse_body()
        step = Step(query.by, query.initial, query.min, query.max)
        step.check()
        life = self._life(key, request.headers, query.ttl)
        check_wait(request, self._store.refuses_write)
        holds = _holds(request.headers)

        def begin(entry: Entry | None, on_written: OnWritten) -> None:
            if entry is not None and self._store.is_over(entry):
                entry = None  # stale: the count begins anew
            number = b"%d" % step.from_(entry)
            if entry is None:
                self._store.begin_put(key, number, CONTENT_TYPE_OF_COUNTER, life, on_written)
                return
            kind, kept, terms = entry.content_type, entry.expires_at, entry.terms
            self._store.begin_put(
                key, number, kind, life, on_written, expires_at=kept, terms=terms, kept=True
            )

        try:
            written = await self._store.change(key, begin, holds)
        except WriteError as error:
            raise of_write(error, "the counter") from None
        return reply_to_count(written)

    def check_put(
        self, path: str, headers: Headers, query: PutQuery
    ) -> tuple[bytes, str, float, Terms | None]:
        """The key, the media type, the life and the terms of what a PUT stores."""
        key = checked_key(path)
        if CONTENT_RANGE in headers:
            raise InvalidRequestError("A value is put whole; send it without Content-Range.")
        ttl = self._life(key, headers, query.ttl)
        content_type = content_type_of(headers.get(CONTENT_TYPE) or DEFAULT_CONTENT_TYPE)
        if may_state_terms(headers) or query.sliding or query.max_age is not UNSET:
            return key, content_type, ttl, _terms(key, headers, query, ttl)
        return key, content_type, ttl, None

    def _life(self, key: bytes, headers: Headers, stated: float | str | UnsetType) -> float:
        """In seconds. With ?ttl, Cache-Control is not read, be it valid or not."""
        store = self._store
        default = store.config.default_ttl_seconds
        if store.namespaces.any:
            default = store.default_life(key, default)
        if stated is UNSET:
            return ttl_of(headers, default, self._clock())
        return life_of(stated, default)

    def _reply_to_take(self, headers: Headers, hit: Hit | None) -> Reply:
        if hit is None:
            return reply_to_miss()
        lines = lines_of_hit(hit, self._clock()) + APPLIED
        return Reply(200, lines_of_value(hit, lines, headers), hit.value)

    def reply_to_get(
        self, key: bytes, headers: Headers, hit: Hit | None, *, is_get: bool = True
    ) -> Reply | Aside:
        """Raises RequestError and ProblemError."""
        if hit is None:
            if not is_full_key(key):
                raise _wrong_name(key)
            return reply_to_miss()
        return self.hits.reply(headers, hit, is_get=is_get)


def _terms(key: bytes, headers: Headers, query: PutQuery, ttl: float) -> Terms | None:
    while_revalidate, if_error = graces_of(headers) if states_grace(headers) else (0.0, 0.0)
    return terms_of(
        split(key)[0],
        ttl,
        tags=tags_in(headers),
        while_revalidate=while_revalidate,
        if_error=if_error,
        sliding=query.sliding,
        max_age=None if query.max_age is UNSET else query.max_age,
    )


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


def _holds(headers: Headers) -> Condition | None:
    """Whether the condition of a write holds; None without one."""
    condition = condition_of(headers)
    return None if condition is None else condition.holds


def _holds_where_there_is_one(headers: Headers) -> Condition | None:
    """The same; it holds without an entry, which is then a 404 (RFC 9110, section 13.2.1)."""
    holds = _holds(headers)
    return None if holds is None else lambda entry: entry is None or holds(entry)
