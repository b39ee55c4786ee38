"""Commands of all keys of a database: SCAN, KEYS, DBSIZE, RANDOMKEY, FLUSHDB, FLUSHALL.

Keys are listed in the order of their hashes, so the cursor of SCAN is a hash, and nothing is kept
for it. All keys in memory are examined for each part, so a part is larger where there are many.
What lists keys waits for L3, so it can't be queued in a transaction.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sidecar.model.order import HASHES
from sidecar.resp.call import Call
from sidecar.resp.command import Command, Reply
from sidecar.resp.databases import DATABASES, prefix_of
from sidecar.resp.errors import OUT_OF_MEMORY, RespError
from sidecar.resp.patterns import fixed_prefix, matcher
from sidecar.resp.replies import OK, array, bulk, integer, null
from sidecar.store.scanning import LISTED_BYTES, Part, len_in_memory, part, part_bytes

DEFAULT_COUNT = 10
MOST_COUNT = 10_000
"""More is not returned at once, whatever COUNT says."""
SCAN_PARTS = 64
"""A whole SCAN examines the keys in memory about as often."""
SCAN_PAGES = 16
"""The most pages of L3 (of 256 keys, whatever their namespaces) that one SCAN reads."""
KEYS_PARTS = 16
EXACT = 100_000
"""Up to so many entries in all, DBSIZE counts."""
SAMPLE = 10_000
"""Beyond it, it counts so many keys, and estimates by the part of all hashes that they have."""
SAMPLE_PAGES = 400
RANDOM_KEYS = 16
"""One of so many that follow each other; the first one alone may follow a wide gap."""
RANDOM_PARTS = 100
NO_LIMIT = 1 << 30
_CURSOR = re.compile(rb"[+-]?[0-9]{1,20}")


async def scan(call: Call) -> bytes:
    start = _cursor(call.arguments[1])
    pattern, count, is_string = _scan_options(call)
    scope = call.client.prefix + (b"" if pattern is None else fixed_prefix(pattern))
    limit = min(MOST_COUNT, max(count, _in_memory(call) // SCAN_PARTS))
    found = await listed(call, scope, start, limit=limit, most_pages=SCAN_PAGES)
    keys = _matching(call, found, pattern) if is_string else []
    await call.client.reserve(_reply_bytes(keys))
    cursor = b"%d" % (found.end or 0)
    return array([bulk(cursor), array([bulk(key) for key in keys])])


def _cursor(text: bytes) -> int:
    """Raises RespError."""
    if not _CURSOR.fullmatch(text) or abs(int(text)) >= HASHES:
        raise RespError("ERR invalid cursor")
    return int(text) % HASHES  # `strtoul` takes negative ones


def _scan_options(call: Call) -> tuple[bytes | None, int, bool]:
    """The pattern, the count, and whether strings are wanted, which all values are."""
    pattern, count, is_string = None, DEFAULT_COUNT, True
    for index in range(2, len(call.arguments), 2):
        word, is_last = call.word(index), index + 1 == len(call.arguments)
        if word == b"count" and not is_last:
            count = call.integer(index + 1)
            if count < 1:
                call.wrong_syntax()
        elif word == b"match" and not is_last:
            pattern = call.arguments[index + 1]
        elif word == b"type" and not is_last:
            is_string = call.word(index + 1) == b"string"
        else:
            call.wrong_syntax()
    return pattern, count, is_string


async def keys(call: Call) -> bytes:
    pattern = call.arguments[1]
    scope = call.client.prefix + fixed_prefix(pattern)
    limit = max(MOST_COUNT, _in_memory(call) // KEYS_PARTS)
    count, parts = 0, []
    start: int | None = 0
    while start is not None:
        some = await listed(call, scope, start, limit=limit, most_pages=NO_LIMIT)
        found = _matching(call, some, pattern)
        await call.client.reserve(_reply_bytes(found))
        count += len(found)
        parts.append(b"".join([bulk(key) for key in found]))
        start = some.end
    return b"*%d\r\n%b" % (count, b"".join(parts))


async def dbsize(call: Call) -> bytes:
    """The number of keys; above EXACT entries in the cache an estimate, within some per cent."""
    status = call.service.store.l3_status
    entries = _in_memory(call) + (0 if status is None else status.entries)
    limit = EXACT if entries <= EXACT else SAMPLE
    found = await listed(call, call.client.prefix, 0, limit=limit, most_pages=SAMPLE_PAGES)
    return integer(round(len(found.expiries) * HASHES / (found.end or HASHES)))


async def randomkey(call: Call) -> bytes:
    """Null although there are keys only if they are very few among those of other namespaces."""
    start = random.randrange(HASHES)  # noqa: S311  (nobody is harmed by a guess)
    for _ in range(RANDOM_PARTS):
        found = await listed(
            call, call.client.prefix, start, limit=RANDOM_KEYS, most_pages=SCAN_PAGES
        )
        if keys := _matching(call, found, None):
            return bulk(random.choice(keys))  # noqa: S311
        start = found.end or 0
    return null(call.protocol)


def flush(call: Call) -> Reply:
    """Of FLUSHDB and FLUSHALL. Both take effect at once, and L3 gives back the space later."""
    if len(call.arguments) > 2 or call.word(1) not in {b"", b"sync", b"async"}:
        call.wrong_syntax()
    if call.command.name == "flushdb":
        call.versions.flush([call.client.prefix])
    else:
        call.versions.flush(prefix_of(number) for number in range(DATABASES))
    return OK


# ---- parts of the listing


def _in_memory(call: Call) -> int:
    return len_in_memory(call.service.store)


async def listed(call: Call, scope: bytes, start: int, *, limit: int, most_pages: int) -> Part:
    """Raises RespError, NotReadyError."""
    service = call.service
    async with _held(call, part_bytes(service.store, limit)):
        return await part(
            service.store,
            service.clock,
            scope,
            start,
            limit=limit,
            most_pages=most_pages,
            pause=service.admission.slices.next,
        )


@asynccontextmanager
async def _held(call: Call, size: int) -> AsyncIterator[None]:
    """Memory for as long as it takes. Raises RespError."""
    admission = call.service.admission
    if not await admission.wait_for_bytes(size):
        raise RespError(OUT_OF_MEMORY)
    try:
        yield
    finally:
        admission.budget.give(size)


def _matching(call: Call, found: Part, pattern: bytes | None) -> list[bytes]:
    """The keys without their namespace, as far as they match."""
    length = len(call.client.prefix)
    keys = [key[length:] for key in found.keys]
    if pattern is None:
        return keys
    matches = matcher(pattern).fullmatch
    return [key for key in keys if matches(key)]


def _reply_bytes(keys: list[bytes]) -> int:
    """What they take until they are sent, as keys and in the reply."""
    return 2 * sum(map(len, keys)) + LISTED_BYTES * len(keys)


READ = frozenset({"readonly"})
FLUSH = frozenset({"write"})

COMMANDS = (
    Command("scan", -2, later=scan, flags=READ),
    Command("keys", 2, later=keys, flags=READ),
    Command("dbsize", 1, later=dbsize, flags=READ | {"fast"}),
    Command("randomkey", 1, later=randomkey, flags=READ),
    Command("flushdb", -1, flush, writes=True, flags=FLUSH),
    Command("flushall", -1, flush, writes=True, flags=FLUSH),
)
