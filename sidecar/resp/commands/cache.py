"""CACHE.GET, CACHE.SET, CACHE.INVALIDATE: what Redis has no commands for.

Leases, stale values, tags and lives that slide, as the data API has them. Their names are those of
a module's commands. A value that is stale, which has expired for all other commands, is told here.
"""

from __future__ import annotations

from functools import partial

from sidecar.api.conditions import etag
from sidecar.api.entries import MAX_KEYS
from sidecar.api.errors import of_write
from sidecar.api.names import full_scope
from sidecar.api.terms import tags_of, terms_of
from sidecar.api.values import MAX_TTL_SECONDS
from sidecar.model.entry import Entry, Hit
from sidecar.model.errors import LeaseLostError
from sidecar.model.terms import Terms, mark_of
from sidecar.resp.cache_options import Stated, stated_of, text_of, wanted_of, wrong_syntax
from sidecar.resp.call import Call
from sidecar.resp.command import ONE_KEY, Command, Reply
from sidecar.resp.errors import RespError
from sidecar.resp.replies import EMPTY, OK, array, boolean, bulk, integer, map_of, null
from sidecar.store.leases import Lease
from sidecar.store.store import Ask

INVALIDATE_USAGE = "CACHE.INVALIDATE TAGS tag [tag ...] | PREFIX prefix | ALL"

# ---- CACHE.GET


def get_at_once(call: Call) -> bytes | None:
    wanted, key = wanted_of(call), call.key()
    if wanted.on_error or (wanted.lease_seconds and call.versions.entry(key) is None):
        return None
    hit = call.service.store.look(key)
    return None if isinstance(hit, Ask) else _found(call, hit, None)


async def get(call: Call) -> bytes:
    wanted, key, client = wanted_of(call), call.key(), call.client
    store, lease = call.service.store, None
    if wanted.lease_seconds:
        hit, lease = await store.get_or_lease(
            key, wanted.lease_seconds, wanted.wait_seconds, client.reserve
        )
    else:
        hit = await store.get(key, client.reserve, on_error=wanted.on_error)
    give_back = None if lease is None else partial(store.leases.give_back, lease)
    try:
        if client.tracking is not None:
            if hit is not None:
                call.versions.hold(key, hit.entry, hit.value)
            call.service.tracker.note(call)
        reply = _found(call, hit, lease)
    except BaseException:
        if give_back is not None:
            give_back()  # nobody is told of it
        raise
    if give_back is not None and wanted.is_bound:
        client.at_end(give_back)
    return reply


def _found(call: Call, hit: Hit | None, lease: Lease | None) -> bytes:
    """Raises RespError."""
    protocol = call.protocol
    absent = null(protocol)
    value = ttl = tag = content_type = absent
    tags = EMPTY
    if hit is not None:
        entry = hit.entry
        value, tag = call.bulk(hit.value), _etag(entry)
        content_type = bulk(entry.content_type.encode())
        ttl = _milliseconds_left(call, hit)
        if entry.terms is not None:
            tags = array([bulk(each.encode()) for each in entry.terms.tags])
    fields = (
        (b"value", value),
        (b"stale", boolean(protocol, hit is not None and hit.stale)),
        (b"ttl", ttl),
        (b"etag", tag),
        (b"content_type", content_type),
        (b"tags", tags),
        (b"lease", absent if lease is None else bulk(lease.token.encode())),
    )
    return map_of(protocol, ((bulk(name), reply) for name, reply in fields))


def _milliseconds_left(call: Call, hit: Hit) -> bytes:
    """Negative if it is stale; null if it does not expire."""
    left = hit.entry.expires_at - call.client.clock()
    if left >= MAX_TTL_SECONDS:
        return null(call.protocol)
    milliseconds = int(left * 1000)
    return integer(min(milliseconds, -1) if hit.stale else max(milliseconds, 0))


def _etag(entry: Entry) -> bytes:
    return bulk(etag(entry).encode())


# ---- CACHE.SET


def set_(call: Call) -> Reply:
    stated, key = stated_of(call), call.key()
    options, expires_at = stated.options, stated.expires_at
    if not options.option:  # no life is stated
        expires_at = call.versions.unstated(key)
    if options.nx or options.xx or options.keep:
        old = call.versions.get(key)
        if (options.nx and old is not None) or (options.xx and old is None):
            return null(call.protocol)
        if options.keep and old is not None:
            expires_at = old.entry.expires_at
    terms = _terms(call, stated, expires_at)
    try:
        effect = call.versions.put_described(
            key, call.arguments[2], expires_at, stated.content_type, terms, lease=stated.lease
        )
    except LeaseLostError as wrong:
        raise RespError(f"LEASELOST {of_write(wrong, 'the value').detail}") from None
    if effect is None:
        return null(call.protocol)

    def reply() -> bytes:
        assert effect.entry is not None  # noqa: S101  (a put has one, and its effect is known)
        return _etag(effect.entry)

    return reply


def set_reads(arguments: list[bytes]) -> bool:
    """Whether this CACHE.SET may depend on the version in force: a tag may be called so."""
    return any(word.lower() in {b"nx", b"xx", b"keepttl"} for word in arguments[3:])


def _terms(call: Call, stated: Stated, expires_at: float) -> Terms | None:
    return terms_of(
        call.client.namespace.decode(),
        max(0.0, expires_at - call.client.clock()),
        tags=stated.tags,
        while_revalidate=stated.while_revalidate,
        if_error=stated.if_error,
        sliding=stated.is_sliding,
        max_age=stated.max_age,
    )


# ---- CACHE.INVALIDATE


def invalidate(call: Call) -> Reply:
    """Takes effect at once, as FLUSHDB does, and L3 gives back the space later."""
    namespace, named = call.client.namespace, call.arguments[2:]
    match call.word(1):
        case b"tags" if named:
            tags = tags_of(map(text_of, named), most=MAX_KEYS)
            call.versions.invalidate_tags([mark_of(namespace.decode(), tag) for tag in tags])
        case b"prefix" if len(named) == 1:
            call.versions.flush([full_scope(namespace, named[0])])
        case b"all" if not named:
            call.versions.flush([call.client.prefix])
        case _:
            wrong_syntax(INVALIDATE_USAGE)
    return OK


COMMANDS = (
    Command(
        "cache.get",
        -2,
        keys=ONE_KEY,
        reads=True,
        later=get,
        at_once=get_at_once,
        flags=frozenset({"readonly"}),
    ),
    Command(
        "cache.set",
        -3,
        set_,
        ONE_KEY,
        writes=True,
        flags=frozenset({"write", "denyoom"}),
        depends=set_reads,
    ),
    Command("cache.invalidate", -2, invalidate, writes=True, flags=frozenset({"write"})),
)
