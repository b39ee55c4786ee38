"""How an entry lies on disk: two rows, one for order and one for the value.

Keys on disk begin with a hash of the key, so rows stand in no order that a user could make: the
rows after a random place are a fair sample of all, which is what eviction needs. Column family
`meta` has what eviction, expiry and counting look at, small enough to be read by the hundred;
`value` has what a read needs, so that a hit costs one look-up. Both are written in one batch.
"""

from __future__ import annotations

import struct
from typing import Final, cast

from xxhash import xxh64_digest

from sidecar.l3.wire import Put, Record

HASH_BYTES = 8
RECORD_BYTES = 64
"""What a record counts for beyond its key, content type and value: both rows' fixed parts."""

_META = struct.Struct("<QddII")
_VALUE = struct.Struct("<QddIB")


Meta = tuple[int, float, float, int, int]
"""What is known of an entry without its value: the write's number, when it expires and when it was
last used (wall clock seconds), its hits, and its logical bytes (key, content type, value and
RECORD_BYTES). A plain tuple, since eviction unpacks five for each victim."""
SEQ: Final = 0
EXPIRES_AT: Final = 1
ACCESSED_AT: Final = 2
FREQUENCY: Final = 3
SIZE: Final = 4


def disk_key(key: bytes) -> bytes:
    return xxh64_digest(key) + key


def user_key(row_key: bytes) -> bytes:
    return row_key[HASH_BYTES:]


def logical_bytes(put: Put) -> int:
    return len(put.key) + len(put.content_type) + len(put.value) + RECORD_BYTES


def pack_meta(meta: Meta) -> bytes:
    return _META.pack(*meta)


def unpack_meta(row: bytes) -> Meta:
    return cast(Meta, _META.unpack(row))


def pack_value(put: Put) -> bytes:
    content_type = put.content_type.encode()
    times = (put.created_at, put.expires_at)
    return _VALUE.pack(put.seq, *times, put.size, len(content_type)) + content_type + put.value


def unpack_value(row: bytes) -> Record:
    seq, created_at, expires_at, size, type_length = _VALUE.unpack_from(row)
    start = _VALUE.size + type_length
    content_type = row[_VALUE.size : start].decode()
    return Record(seq, created_at, expires_at, content_type, size, row[start:])
