"""How an entry lies on disk: two rows, one for order and one for the value.

Keys on disk begin with a hash of the key, so rows stand in no order that a user could make: the
rows after a random place are a fair sample of all, which is what eviction needs. Column family
`meta` has what eviction, expiry and counting look at, small enough to be read by the hundred;
`value` has what a read needs, so that a hit costs one look-up: the record as it is sent, so that it
goes from the disk to the socket as it lies. Both are written in one batch.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import cast

from xxhash import xxh64_digest

from sidecar.l3.wire import encode_record
from sidecar.model.answers import Record
from sidecar.model.metadata import Metadata
from sidecar.model.writes import Put

HASH_BYTES = 8
RECORD_BYTES = 64
"""What a record counts for beyond its key, content type and value: both rows' fixed parts."""

_META = struct.Struct("<QddII")


def disk_key(key: bytes) -> bytes:
    return xxh64_digest(key) + key


def user_key(row_key: bytes) -> bytes:
    return row_key[HASH_BYTES:]


def logical_bytes(put: Put) -> int:
    return len(put.key) + len(put.content_type) + len(put.value) + RECORD_BYTES


def pack_meta(meta: Metadata) -> bytes:
    return _META.pack(*meta)


unpack_meta = cast(Callable[[bytes], Metadata], _META.unpack_from)
"""Ignores what a later version may have added at the end of the row."""


def pack_value(put: Put) -> bytes:
    return encode_record(
        Record(put.seq, put.created_at, put.expires_at, put.content_type, put.size, put.value)
    )
