"""Many keys in one call: POST /v1/mget, /v1/mset, /v1/mdelete, in JSON or MessagePack.

In MessagePack keys and values may be binary. In JSON a value is a UTF-8 string or base64, as stated
by `encoding`. An invalid body changes nothing. Otherwise each key is looked up or written
independently: a call is neither a snapshot nor a transaction. Once L3 has not answered in time, a
call asks it no more: it would wait as long for every slice of its keys.

One file of more than 300 lines, since the three calls share their steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, Struct

from sidecar.api.entries import (
    MAX_KEYS,
    Encoding,
    FoundEntry,
    IfError,
    Keys,
    MaxAge,
    NewEntries,
    NewEntry,
    Sliding,
    Tags,
    Ttl,
    WhileRevalidate,
    Written,
    WrittenEntry,
)
from sidecar.api.errors import InvalidRequestError, TooLargeError, of_write
from sidecar.api.names import check_name, full_key
from sidecar.api.terms import tags_of, terms_of
from sidecar.api.values import KEEP, check_size, content_type_of, life_of, seconds_left
from sidecar.http.bodies import (
    decoded,
    encoded,
    from_base64,
    in_pieces,
    json_string,
    part,
    sends_messagepack,
    wants_json,
)
from sidecar.http.conditions import etag
from sidecar.http.data import check_wait
from sidecar.http.messages import Reply, Request
from sidecar.http.problems import problem_of
from sidecar.http.through import FAILURES
from sidecar.loading.answers import Loaded
from sidecar.loading.loader import Loader
from sidecar.model.clock import Clock
from sidecar.model.entry import DEFAULT_CONTENT_TYPE, Hit
from sidecar.model.errors import NotReadyError, WriteError
from sidecar.model.terms import Terms
from sidecar.serving.slices import Slices
from sidecar.store.store import Ask, Store
from sidecar.store.store import Written as StoreWritten

KEYS_BYTES = 8 << 20
"""The limit of a body of keys: a thousand keys of maximum length, fully escaped, take 6 MiB."""
ENTRIES_BYTES = 32 << 20
"""The limit of a body of entries."""
REPLY_BYTES = 32 << 20
"""The limit of the entries in one mget answer; the remaining keys are listed in `left`."""
REPLY_SHARE = 4
"""An answer takes at most this part of the memory for requests."""
AT_ONCE = 64
"""Keys of one call in progress at the same time: about as many as fit a frame to L3, and a slice of
work. Calls for more keys wait for each other after each slice.
"""
AT_ONCE_BYTES = 1 << 20
"""The same for their values; a larger one is read alone."""
COPIES = 6
"""What a body takes while it is decoded: strings of four bytes a character, and the values."""
ANSWER_COPIES = 4
"""What a value takes while it is encoded: unpacked, in base64, in parts and joined."""

Limited = Meta(max_length=MAX_KEYS)


class RawKeys(Struct, forbid_unknown_fields=True):
    """`Keys` in MessagePack: keys are strings or binary."""

    namespace: str
    keys: Annotated[list[Raw], Limited]


class RawEntry(Struct, forbid_unknown_fields=True):
    """`NewEntry` in MessagePack: key and value are strings or binary."""

    key: Raw
    value: Raw
    encoding: Encoding = "utf-8"
    content_type: str = DEFAULT_CONTENT_TYPE
    ttl: Ttl = None
    tags: Tags = ()
    stale_while_revalidate: WhileRevalidate = 0
    stale_if_error: IfError = 0
    sliding: Sliding = False
    max_age: MaxAge = None


class RawEntries(Struct, forbid_unknown_fields=True):
    """`NewEntries` in MessagePack."""

    namespace: str
    entries: Annotated[list[RawEntry], Limited]


Key = str | bytes
"""A key as the client sent it; answers use the same form."""


class BatchApi:
    """The three calls."""

    def __init__(self, store: Store, clock: Clock, loader: Loader) -> None:
        self._store = store
        self._loader = loader
        self._clock = clock

    async def mget(self, request: Request) -> Reply:
        keys, names = await _wanted(request)
        as_json = wants_json(request)
        found: list[bytes] = []  # encoded
        missing: list[Key] = []
        size = start = 0
        connection = request.protocol
        most = min(REPLY_BYTES, connection.admission.budget.most_bytes // REPLY_SHARE)
        if self._would_wait(names[:AT_ONCE]):
            check_wait(request, self._store.refuses_read)
        slices = connection.admission.slices
        timeouts = self._store.stats.timeouts
        while start < len(names) and size < most:
            if start:
                await slices.next()
            if self._store.stats.timeouts != timeouts:
                break  # L3 does not answer now: to ask it for the rest takes as long each time
            count, needed = self._at_once(names[start : start + AT_ONCE])
            needed = size + needed * ANSWER_COPIES
            if not found:
                await connection.reserve(needed)
            elif not connection.hold(needed):
                break  # what was found is answered, which makes room
            hits = await self._look_up(names[start : start + count])
            if self._loader.covers(names[0]):
                hits = await self._load(names[start : start + count], hits)
            for key, hit in zip(keys[start:], hits, strict=False):
                if hit is None:
                    missing.append(key)
                else:
                    found.append(await self._described(key, hit, slices, as_json=as_json))
                    size += len(found[-1])
            start += count
            del hits
            connection.keep(size)
        return in_pieces(found, missing, keys[start:], as_json=as_json)

    def _would_wait(self, names: list[bytes]) -> bool:
        return any(isinstance(self._store.locate(name), Ask) for name in names)

    def _at_once(self, names: list[bytes]) -> tuple[int, int]:
        """How many of the first of these to look up at once, and the bytes of their values."""
        total = 0
        for count, name in enumerate(names):
            size = self._store.size_of(name)
            if count and total + size > AT_ONCE_BYTES:
                return count, total
            total += size
        return len(names), total

    async def mset(self, request: Request) -> Reply:
        check_wait(request, self._store.refuses_write)
        body = await _body(request, ENTRIES_BYTES, NewEntries, RawEntries)
        slices = request.protocol.admission.slices
        if len(body.entries) > AT_ONCE:
            await slices.next()
        keys = [_text(entry.key, f"entries[{n}].key") for n, entry in enumerate(body.entries)]
        names = _names(body.namespace, keys, "entries[{}].key")
        puts = [
            (name, *await self._checked(entry, name, f"entries[{number}]", slices))
            for number, (name, entry) in enumerate(zip(names, body.entries, strict=True))
        ]
        all_terms = [
            _terms(body.namespace, entry, put[3], f"entries[{number}]")
            for number, (put, entry) in enumerate(zip(puts, body.entries, strict=True))
        ]
        writes = (
            self._store.put(*put, keeps_life=entry.ttl == KEEP, terms=terms)
            for put, entry, terms in zip(puts, body.entries, all_terms, strict=True)
        )
        written = await _in_slices(keys, writes, "the value", slices)
        return encoded(Written(written), as_json=wants_json(request))

    async def mdelete(self, request: Request) -> Reply:
        check_wait(request, self._store.refuses_write)
        keys, names = await _wanted(request)
        writes = (self._store.delete(name) for name in names)
        slices = request.protocol.admission.slices
        written = await _in_slices(keys, writes, "the deletion", slices)
        for entry in written:
            if entry.status == 201:  # there was no entry
                entry.status = 404
        return encoded(Written(written), as_json=wants_json(request))

    async def _look_up(self, names: list[bytes]) -> list[Hit | None]:
        """Look up keys concurrently; hits in memory do not need a task."""
        looked = [self._store.look(name) for name in names]
        asked = [at for at, hit in enumerate(looked) if isinstance(hit, Ask)]
        fetched = await asyncio.gather(*(self._store.get(names[at]) for at in asked))
        hits = [None if isinstance(hit, Ask) else hit for hit in looked]
        for at, hit in zip(asked, fetched, strict=True):
            hits[at] = hit
        return hits

    async def _load(self, names: list[bytes], hits: list[Hit | None]) -> list[Hit | None]:
        """These hits, with what the origin of the namespace has of the keys that have none or a
        stale one. What it does not give for the cache is missing.
        """

        async def loaded(name: bytes, hit: Hit | None) -> Hit | None:
            if hit is not None and not hit.stale:
                return hit
            try:
                answer = await self._loader.load(name, hit, _unlimited)
            except FAILURES:
                return hit
            return answer.hit if isinstance(answer, Loaded) else None

        return list(await asyncio.gather(*map(loaded, names, hits)))

    async def _described(self, key: Key, hit: Hit, slices: Slices, *, as_json: bool) -> bytes:
        entry = hit.entry
        now = self._clock()
        described = FoundEntry(
            key=key,
            value=hit.value,
            content_type=entry.content_type,
            etag=etag(entry),
            age=max(0, int(now - entry.created_at)),
            ttl=seconds_left(entry.expires_at, now),
            tier=hit.tier,
        )
        if entry.terms is not None:
            described.stale = hit.stale or UNSET
            if hit.stale and described.ttl is not None:
                described.ttl = min(described.ttl, -1)
            described.tags = entry.terms.tags or UNSET
        if as_json:
            described.value, described.encoding = await json_string(hit.value, slices)
        return part(described, as_json=as_json)

    async def _checked(
        self, entry: NewEntry | RawEntry, name: bytes, path: str, slices: Slices
    ) -> tuple[bytes, str, float]:
        """The value, media type and lifetime for `Store.put`. Raises RequestError."""
        value: Key | None = _text(entry.value, f"{path}.value")
        if isinstance(value, str):
            is_text = entry.encoding == "utf-8"
            value = value.encode() if is_text else await from_base64(value, slices)
        if value is None:
            raise InvalidRequestError(f"This is not base64 - at `$.{path}.value`.")
        config = self._store.config
        default = self._store.default_life(name, config.default_ttl_seconds)
        try:
            check_size(len(value), config.max_value_bytes)
        except TooLargeError as error:
            raise TooLargeError(f"{error.detail[:-1]} - at `$.{path}.value`.") from None
        try:
            content_type = content_type_of(entry.content_type)
        except InvalidRequestError as error:
            raise _at(f"{path}.content_type", error.detail) from None
        return value, content_type, life_of(entry.ttl, default)


def _terms(
    namespace: str, entry: NewEntry | RawEntry, life_seconds: float, path: str
) -> Terms | None:
    """Raises InvalidRequestError."""
    try:
        return terms_of(
            namespace,
            life_seconds,
            tags=tags_of(entry.tags),
            while_revalidate=entry.stale_while_revalidate,
            if_error=entry.stale_if_error,
            sliding=entry.sliding,
            max_age=entry.max_age,
        )
    except InvalidRequestError as error:
        raise _at(path, error.detail) from None


async def _unlimited(_size: int) -> None:
    """The memory for the values of a slice has been taken."""


async def _body(request: Request, limit: int, in_json: Any, in_messagepack: Any) -> Any:
    messagepack = sends_messagepack(request)
    body = await request.body(limit, COPIES)
    return decoded(body, in_messagepack if messagepack else in_json, messagepack=messagepack)


async def _wanted(request: Request) -> tuple[list[Key], list[bytes]]:
    """The keys of a call as the client sent them, and the full keys."""
    body = await _body(request, KEYS_BYTES, Keys, RawKeys)
    if len(body.keys) > AT_ONCE:
        await request.protocol.admission.slices.next()
    keys = [_text(key, f"keys[{number}]") for number, key in enumerate(body.keys)]
    return keys, _names(body.namespace, keys, "keys[{}]")


def _names(namespace: str, keys: list[Key], path: str) -> list[bytes]:
    """Full keys. Raises InvalidRequestError; `path` is the location of a key, by its index."""
    sent_namespace = namespace.encode()
    try:
        check_name(sent_namespace, b"-")
    except InvalidRequestError as error:
        raise _at("namespace", error.detail) from None
    names = []
    for number, key in enumerate(keys):
        sent = key.encode() if isinstance(key, str) else key
        try:
            names.append(full_key(sent_namespace, sent))
        except InvalidRequestError as error:
            raise _at(path.format(number), error.detail) from None
    return names


def _text(sent: str | Raw, path: str) -> Key:
    """A string, or binary in MessagePack. Other types are refused without decoding them."""
    if isinstance(sent, str):
        return sent
    data = memoryview(sent)
    kind: Any = bytes if 0xC4 <= data[0] <= 0xC6 else str
    try:
        text: Key = msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _at(path, "This takes a string in UTF-8, or binary.") from None
    return text


def _at(path: str, sentence: str) -> InvalidRequestError:
    return InvalidRequestError(f"{sentence.rstrip('.')} - at `$.{path}`.")


async def _in_slices(
    keys: list[Key], writes: Iterator[Awaitable[StoreWritten]], what: str, slices: Slices
) -> list[WrittenEntry]:
    """The results of all writes, each of which begins with its slice."""
    written: list[WrittenEntry] = []
    for start in range(0, len(keys), AT_ONCE):
        if start:
            await slices.next()
        if _is_unanswered(written[-AT_ONCE:]):
            return written + _not_written(keys[start:])
        written += await _outcomes(keys[start:], [*islice(writes, AT_ONCE)], what)
    return written


async def _outcomes(
    keys: list[Key], writes: Sequence[Awaitable[StoreWritten]], what: str
) -> list[WrittenEntry]:
    """The result of each write: the status of a single PUT, and a message for an error."""

    async def outcome(key: Key, write: Awaitable[StoreWritten]) -> WrittenEntry:
        try:
            written = await write
        except WriteError as error:
            problem = problem_of(of_write(error, what))
            return WrittenEntry(key=key, status=problem.status, detail=problem.detail)
        tag = UNSET if written.entry is None else etag(written.entry)
        return WrittenEntry(key=key, status=204 if written.replaced else 201, etag=tag)

    return list(await asyncio.gather(*map(outcome, keys, writes)))


def _is_unanswered(written: list[WrittenEntry]) -> bool:
    """Whether L3 has not answered some of these writes in time. More would wait as long again."""
    return any(entry.status == HTTPStatus.SERVICE_UNAVAILABLE for entry in written)


def _not_written(keys: list[Key]) -> list[WrittenEntry]:
    problem = problem_of(of_write(NotReadyError(), ""))
    return [WrittenEntry(key=key, status=problem.status, detail=problem.detail) for key in keys]
