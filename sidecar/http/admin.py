"""The operations on more than one entry, except batches: invalidate, keys, hot, stats, config."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Annotated
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Meta

from sidecar.api import entries, state
from sidecar.api.errors import InvalidRequestError, UnavailableError, of_write
from sidecar.api.names import full_scope
from sidecar.api.terms import tags_of
from sidecar.api.values import seconds_left
from sidecar.http.bodies import decoded, refuse_repeated, sends_messagepack
from sidecar.http.data import PREFIX
from sidecar.http.messages import JSON_HEADER, Reply, Request
from sidecar.http.routing import has_dot_segment
from sidecar.model.answers import PAGE_BYTES
from sidecar.model.clock import Clock
from sidecar.model.entry import split
from sidecar.model.errors import WriteError
from sidecar.model.snapshot import Snapshot, TierSnapshot
from sidecar.model.terms import mark_of
from sidecar.store.listing import BadCursorError, Listed, list_bytes, page
from sidecar.store.snapshot import snapshot
from sidecar.store.store import Store

DEFAULT_PAGE, MAX_PAGE = 100, 1000
MOST_HOT = 100
SCOPE_BYTES = 64 << 10
PAGE_COPIES = 16
"""What a page takes at most, over its keys: each is there as bytes and as text, and in JSON as a
key (a control character takes six bytes) and in a path (three).
"""


class KeysQuery(msgspec.Struct, frozen=True):
    """The parameters of a page of keys."""

    namespace: entries.Namespace
    prefix: entries.Prefix = ""
    # Valid cursors come only from pages, so a client that tries values may send none.
    cursor: Annotated[
        str, Meta(description="From the previous page.", extra_json_schema={"const": ""})
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE


class HotQuery(msgspec.Struct, frozen=True):
    """How many keys."""

    limit: Annotated[int, Meta(ge=1, le=MOST_HOT)] = 10


class AdminApi:
    """The handlers of these operations. `describe_config` returns the body of /v1/config,
    `describe_protocols` a part of that of /v1/stats.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        describe_config: Callable[[], state.Configuration],
        describe_protocols: Callable[[], dict[str, state.ProtocolState]],
    ) -> None:
        self._describe_protocols = describe_protocols
        self._store = store
        self._clock = clock
        self._describe_config = describe_config

    async def invalidate(self, request: Request) -> Reply:
        messagepack = sends_messagepack(request)
        sent = await request.body(SCOPE_BYTES)
        body = decoded(sent, entries.Scope, messagepack=messagepack)
        if not messagepack:
            refuse_repeated(sent)
        if (body.prefix is not UNSET) + (body.tags is not UNSET) + body.all != 1:
            raise InvalidRequestError(
                'Send one of "tags": ["a", "b"], "prefix": "some/prefix" and "all": true.'
            )
        if body.soft is not UNSET and body.tags is UNSET:
            raise InvalidRequestError("Only tags can be invalidated softly; leave soft out.")
        prefix = "" if body.prefix is UNSET else body.prefix
        scope = full_scope(body.namespace.encode(), prefix.encode())
        try:
            if body.tags is UNSET:
                await self._store.invalidate(scope)
            else:
                marks = _marks(body.namespace, body.tags)
                await self._store.invalidate_tags(marks, soft=body.soft is True)
        except WriteError as error:
            raise of_write(error, "the invalidation") from None
        return Reply(204)

    async def keys(self, request: Request, query: KeysQuery) -> Reply:
        namespace = query.namespace.encode("utf-8", "surrogateescape")
        prefix = query.prefix.encode("utf-8", "surrogateescape")
        scope, cursor = full_scope(namespace, prefix), _cursor(query.cursor)
        await request.protocol.reserve(PAGE_COPIES * PAGE_BYTES + list_bytes(self._store))
        try:
            pause = request.protocol.admission.slices.next
            listed, following = await page(
                self._store, self._clock, scope, cursor, query.limit, pause=pause
            )
        except BadCursorError:
            raise InvalidRequestError("The cursor is invalid; start without one.") from None
        except TimeoutError:
            raise UnavailableError("L3 did not answer in time; request this page again.") from None
        body = entries.Page(
            keys=[self._described(row) for row in listed],
            cursor=None if following is None else _text(following),
        )
        page_bytes = msgspec.json.encode(body)
        request.protocol.keep(len(page_bytes))
        return Reply(200, JSON_HEADER, page_bytes)

    async def hot(self, _request: Request, query: HotQuery) -> Reply:
        keys = []
        for each in self._store.hot.top(query.limit):
            namespace, key = split(each.key)
            keys.append(
                entries.HotKey(
                    namespace=namespace,
                    key=key.decode("utf-8", "replace"),
                    path=_path_of(namespace, key),
                    per_second=each.per_second,
                    error_per_second=each.error_per_second,
                )
            )
        return Reply(200, JSON_HEADER, msgspec.json.encode(entries.HotKeys(keys)))

    async def stats(self, _request: Request) -> Reply:
        found = described(snapshot(self._store), self._describe_protocols())
        return Reply(200, JSON_HEADER, msgspec.json.encode(found))

    async def config(self, _request: Request) -> Reply:
        return Reply(200, JSON_HEADER, msgspec.json.encode(self._describe_config()))

    def _described(self, row: Listed) -> entries.ListedKey:
        namespace, key = split(row.key)
        return entries.ListedKey(
            key=key.decode("utf-8", "replace"),
            path=_path_of(namespace, key),
            tier=row.tier,
            size=row.size,
            ttl=seconds_left(row.expires_at, self._clock()),
        )


def _marks(namespace: str, stated: tuple[str, ...]) -> list[int]:
    """Of the tags that are invalidated. Raises InvalidRequestError."""
    tags = tags_of(stated, most=entries.MAX_KEYS)
    if not tags:
        raise InvalidRequestError('There is no tag; send for example "tags": ["a"].')
    return [mark_of(namespace, tag) for tag in tags]


def _path_of(namespace: str, key: bytes) -> str | None:
    path = f"{PREFIX}{namespace}/{quote(key, safe='/')}"
    return None if has_dot_segment(path) else path


def described(found: Snapshot, protocols: dict[str, state.ProtocolState]) -> state.Stats:
    """The body of /v1/stats."""
    counts = found.counts
    return state.Stats(
        hit_ratio=counts.hit_ratio,
        hits=counts.hits,
        misses=counts.misses,
        tiers={tier.tier: _tier(tier) for tier in found.tiers},
        l3=state.L3State(
            state=found.l3_state,
            folder_bytes=found.l3_folder_bytes,
            pending_compaction_bytes=found.l3_pending_compaction_bytes,
            waiting=found.l3_waiting,
            timeouts=counts.timeouts,
        ),
        protocols=protocols,
        warmed=counts.warmed,
        max_value_bytes=found.max_value_bytes,
    )


def _tier(tier: TierSnapshot) -> state.TierState:
    counts = tier.counts
    return state.TierState(
        enabled=tier.enabled,
        policy=tier.policy,
        entries=tier.entries,
        max_entries=tier.max_entries,
        used_bytes=tier.used_bytes,
        max_bytes=tier.max_bytes,
        hits=counts.hits,
        misses=counts.misses,
        expired=counts.expired,
        stale=counts.stale,
        evictions=counts.evictions,
        expirations=counts.expirations,
        promotions=counts.promotions,
        demotions=counts.demotions,
    )


def _text(cursor: bytes) -> str:
    return base64.urlsafe_b64encode(cursor).decode().rstrip("=")


def _cursor(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequestError("The cursor is invalid; start without one.") from None
