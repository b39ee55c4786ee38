"""The format of an entry on disk: two rows, one for metadata and one for the value.

Keys on disk begin with a hash of the key, so that users cannot influence the order of rows, and the
rows after a random position are a fair sample for eviction. Column family `meta` has the fields for
eviction, expiry and counting, small enough to read hundreds of rows; `value` has the record in the
encoding in which it is sent, so that a hit costs one lookup and no conversion. Both rows are
written in one batch.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import cast

from sidecar.l3.wire import encode_record
from sidecar.model.answers import Record
from sidecar.model.metadata import Metadata
from sidecar.model.order import HASH_BYTES, hash_of
from sidecar.model.writes import RECORD_BYTES, Put

_META = struct.Struct("<QddII")


def disk_key(key: bytes) -> bytes:
    return hash_of(key) + key


def user_key(row_key: bytes) -> bytes:
    return row_key[HASH_BYTES:]


def logical_bytes(put: Put) -> int:
    return len(put.key) + len(put.content_type) + len(put.value) + RECORD_BYTES


def pack_meta(meta: Metadata) -> bytes:
    return _META.pack(*meta)


unpack_meta = cast(Callable[[bytes], Metadata], _META.unpack_from)
"""Ignores fields that a later version may have appended to the row."""


def pack_value(put: Put) -> bytes:
    version = (put.seq, put.created_at, put.expires_at, put.content_type, put.size, put.value)
    return encode_record(Record(*version, put.checksum))
