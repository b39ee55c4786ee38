"""Loads what the cache does not have fresh from the origin of its namespace.

A key is fetched once, however many ask for it. Whoever asked for a missing value waits for the
fetch; whoever asked for a stale one waits for the soft timeout at most, and the fetch goes on.

What is written or invalidated while a fetch is under way may be newer than what it brings. So that
is fetched again then; and if it happens every time, given to those who wait without being stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from sidecar.config.namespaces import NamespaceConfig
from sidecar.config.origins import OriginConfig
from sidecar.loading.answers import Absent, Answer, Loaded, Passed
from sidecar.loading.origins import ConfiguredOrigins
from sidecar.loading.remembered import Remembered
from sidecar.model.clock import Clock
from sidecar.model.entry import Entry, Hit, is_full_key, split
from sidecar.model.errors import NotReadyError, TooLargeForTiersError
from sidecar.model.terms import Terms as EntryTerms
from sidecar.model.terms import terms_of_origin
from sidecar.origins.errors import NotAskedError, OriginError
from sidecar.origins.freshness import Freshness
from sidecar.origins.origin import Origin
from sidecar.origins.results import (
    Fetched,
    Negative,
    NotModified,
    Result,
    Terms,
    Unshareable,
    Validators,
)
from sidecar.store.store import Found, Reserve, Store
from sidecar.store.watching import Watch

MOST_FETCHES = 3
"""Of one load, if the key is written meanwhile."""
LEAST_KEPT_SECONDS, MOST_KEPT_SECONDS = 60.0, 3600.0
"""How long a value is kept after its life to be revalidated: as long as that life, within these."""


_Outcome = Passed | Absent | None
"""Of a load; None if the value is stored."""


class Loader:
    """Loads for the namespaces that are configured in the store, which have an origin."""

    def __init__(
        self, store: Store, make_origin: Callable[[OriginConfig], Origin], clock: Clock
    ) -> None:
        self._store = store
        self._make_origin = make_origin
        self._clock = clock
        self.origins = ConfiguredOrigins(make_origin)
        self._seen = store.namespaces
        self._loads: dict[bytes, asyncio.Task[_Outcome]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._remembered = Remembered()
        self._follows = False

    def covers(self, key: bytes) -> bool:
        """Whether this is a valid key whose namespace has an origin."""
        namespaces = self._store.namespaces
        if not namespaces.any or not is_full_key(key):
            return False
        namespace = namespaces.of(key)
        return namespace is not None and namespace.origin is not None

    def is_loading(self, key: bytes) -> bool:
        """Whether a fetch of this key is under way, so that one more who asks costs nothing."""
        return key in self._loads

    def may_fetch(self, key: bytes) -> bool:
        """Whether it may take a fetch to answer a GET of this key."""
        if not self.covers(key):
            return False
        found = self._store.locate(key)
        return not isinstance(found, Found) or self._store.is_due(found.entry)

    async def get(
        self,
        key: bytes,
        reserve: Reserve,
        *,
        on_error: bool = False,
        revalidate: bool = False,
    ) -> Answer:
        """The value of a key whose namespace has an origin. `on_error` is whether a value is taken
        that may be served only after an error; `revalidate`, whether none is taken that was not
        compared with the origin's now. Raises OriginError, NotAskedError and UnsafeKeyError if
        there is nothing to answer with, and what `reserve` raises.
        """
        hit = await self._store.get(key, reserve, on_error=on_error)
        if hit is not None and not hit.stale and not revalidate:
            if self._store.is_due(hit.entry):
                self._begin(key)
            return Loaded(hit)
        return await self.load(key, hit, reserve, revalidate=revalidate)

    async def load(
        self, key: bytes, hit: Hit | None, reserve: Reserve, *, revalidate: bool = False
    ) -> Answer:
        """The same for a key that was looked up, without a hit, or with a stale one."""
        if hit is None and not revalidate:
            status = self._remembered.absent(key)
            if status is not None:
                return Absent(status)
        shares = not self._remembered.is_unshared(key)
        collapsed = shares and key in self._loads
        try:
            if not shares:
                outcome = await self._load(key)
            elif hit is not None and hit.stale and not revalidate:
                return await self._stale_or_loaded(key, hit, self._begin(key), reserve)
            else:
                outcome = await asyncio.shield(self._begin(key))
        except (OriginError, NotAskedError):
            stale = await self._store.get(key, reserve, on_error=True)
            if stale is None or revalidate:
                raise
            return Loaded(stale)
        if isinstance(outcome, Passed) and not outcome.is_shared and collapsed:
            outcome = await self._load(key)  # it was for another caller
        return await self._settled(key, reserve, outcome, collapsed=collapsed)

    async def close(self) -> None:
        for load in self._loads.values():
            load.cancel()
        await asyncio.gather(*self._loads.values(), return_exceptions=True)
        await self.origins.close()

    # ---- one load

    def _begin(self, key: bytes) -> asyncio.Task[_Outcome]:
        """The load of a key that is under way, or a new one."""
        if not self._follows:  # from the first fetch on, since every write pays for it
            self._follows = True
            self._store.watched.follow(self._remembered)
        load = self._loads.get(key)
        if load is None:
            load = self._loads[key] = asyncio.create_task(self._load(key))
            load.add_done_callback(partial(self._end, key))
        return load

    def _end(self, key: bytes, load: asyncio.Task[_Outcome]) -> None:
        del self._loads[key]
        if not load.cancelled():
            load.exception()  # its origin has counted it; whoever waits gets it too

    async def _stale_or_loaded(
        self, key: bytes, hit: Hit, load: asyncio.Task[_Outcome], reserve: Reserve
    ) -> Answer:
        """The stale value, unless a newer one comes within the soft timeout."""
        origin = self._origin_of(key)[1]
        soft = origin.config.soft_timeout_seconds
        if not soft:
            return Loaded(hit)
        await asyncio.wait([load], timeout=soft)
        if not load.done() or load.cancelled() or load.exception() is not None:
            return Loaded(hit)
        return await self._settled(key, reserve, load.result(), collapsed=False)

    async def _settled(
        self, key: bytes, reserve: Reserve, outcome: _Outcome, *, collapsed: bool
    ) -> Answer:
        if outcome is not None:
            return outcome
        hit = await self._store.peek(key, reserve)
        if hit is None:  # it was deleted since, or evicted at once
            outcome = await self._load(key, store=False)
            return Absent(404) if outcome is None else outcome
        return Loaded(hit, fetched=True, collapsed=collapsed)

    async def _load(self, key: bytes, *, store: bool = True) -> _Outcome:
        namespace, origin = self._origin_of(key)
        for attempt in range(MOST_FETCHES):
            watch = Watch()
            self._store.watched.watch(key, watch)
            try:
                entry = await self._current(key) if store else None
                result = await origin.load(split(key)[1], self._terms(namespace, entry))
                has_room = store and await self._has_room()
                if watch.has_changed and attempt < MOST_FETCHES - 1:
                    continue
                store = has_room and not watch.has_changed
                return self._keep(key, namespace, entry, result, store=store)
            finally:
                self._store.watched.unwatch([key], watch)
        raise OriginError("interrupted", "The value could not be fetched in one piece.")

    async def _has_room(self) -> bool:
        try:
            if not self._store.accepts:
                await self._store.room()
        except NotReadyError:
            return False
        return True

    async def _current(self, key: bytes) -> Entry | None:
        """The version to revalidate."""
        found = await self._store.resolve(key)
        return found.entry if isinstance(found, Found) else None

    def _terms(self, namespace: NamespaceConfig, entry: Entry | None) -> Terms:
        default = namespace.default_ttl_seconds
        config = self._store.config
        had = None if entry is None else entry.terms
        if default is None:
            default = config.default_ttl_seconds
        return Terms(
            default_ttl_seconds=default,
            kept_ttl_seconds=None if entry is None else entry.expires_at - entry.created_at,
            max_value_bytes=config.max_value_bytes,
            validators=Validators() if had is None else Validators(had.etag, had.last_modified),
        )

    def _keep(
        self,
        key: bytes,
        namespace: NamespaceConfig,
        entry: Entry | None,
        result: Result,
        *,
        store: bool,
    ) -> _Outcome:
        """Store what came, if it may be. At once: nothing comes between this and the answer."""
        match result:
            case Fetched(value, content_type, freshness):
                terms = _terms_of(namespace, key, freshness)
                life = freshness.lifetime_seconds
                if not (store and freshness.store and (life or terms)):
                    return Passed(value, content_type)
                try:
                    self._store.begin_put(key, value, content_type, life, _unheard, terms=terms)
                except TooLargeForTiersError:
                    return Passed(value, content_type)
                return None
            case NotModified(freshness):
                if entry is None:
                    raise OriginError("unusable", "The origin answered 304 without being asked.")
                if not store:
                    raise OriginError("interrupted", "The value was written while it was fetched.")
                expires_at = self._clock() + freshness.lifetime_seconds
                self._store.begin_redate(entry, expires_at, _unheard)
                return None
            case Negative(status, ttl_seconds):
                if store:
                    self._remembered.note_absent(key, status, ttl_seconds)
                return Absent(status)
            case Unshareable(value, content_type, status):
                self._remembered.note_unshared(key)
                return Passed(value, content_type, status, is_shared=False)

    # ---- the origins

    def _origin_of(self, key: bytes) -> tuple[NamespaceConfig, Origin]:
        namespace = self._store.namespaces.of(key)
        if namespace is None or namespace.origin is None:  # since the request began
            raise OriginError("interrupted", "The namespace has no origin any more.")
        if self._seen is not self._store.namespaces:
            self._seen = self._store.namespaces
            configured = self._store.config.namespaces
            self.origins.keep_only({each.name for each in configured if each.origin is not None})
        return namespace, self.origins.of(namespace)


def _terms_of(namespace: NamespaceConfig, key: bytes, freshness: Freshness) -> EntryTerms | None:
    """The response's own terms come before those of the namespace."""
    while_revalidate = freshness.stale_while_revalidate_seconds
    if_error = freshness.stale_if_error_seconds
    if freshness.must_revalidate:
        while_revalidate = if_error = 0.0
    if while_revalidate is None:
        while_revalidate = namespace.stale_while_revalidate_seconds
    if if_error is None:
        if_error = namespace.stale_if_error_seconds
    return terms_of_origin(
        split(key)[0],
        while_revalidate=while_revalidate,
        if_error=if_error,
        etag=freshness.etag,
        last_modified=freshness.last_modified,
        kept=min(max(freshness.lifetime_seconds, LEAST_KEPT_SECONDS), MOST_KEPT_SECONDS),
        must_revalidate=freshness.must_revalidate,
        early=namespace.refresh_early,
    )


def _unheard(_: object) -> None:
    """What an origin has need not be durable before it is answered."""
