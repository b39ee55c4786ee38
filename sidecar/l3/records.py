"""The format of an entry on disk: two rows, one for metadata and one for the value.

Keys on disk begin with a hash of the key, so that users cannot influence the order of rows, and the
rows after a random position are a fair sample for eviction. Column family `meta` has the fields for
eviction, expiry and counting, small enough to read hundreds of rows; `value` has the record in the
encoding in which it is sent, so that a hit costs one lookup and no conversion. Both rows are
written in one batch.
"""

from __future__ import annotations

import struct

from sidecar.l3.wire import UNDECODABLE, decode_record, encode_record
from sidecar.model.answers import Record
from sidecar.model.checksum import checksum_of
from sidecar.model.metadata import Metadata
from sidecar.model.order import HASH_BYTES, hash_of
from sidecar.model.terms import stored_terms
from sidecar.model.writes import RECORD_BYTES, Put, Renew

_META = struct.Struct("<QddII")
_META_BYTES = _META.size
_unpack_meta = _META.unpack_from
_TAIL = struct.Struct("<dB")
"""Of the metadata of a version with terms: their grace, and how many marks of tags follow."""
_MARK_BYTES = 8
_PLAIN_FIELDS = 7
"""Of the record of a version without terms. Its first byte says so, as MessagePack's of an array
does: then nothing else has to be read of it."""
_PLAIN = 0x90 + _PLAIN_FIELDS


def disk_key(key: bytes) -> bytes:
    return hash_of(key) + key


def user_key(row_key: bytes) -> bytes:
    return row_key[HASH_BYTES:]


def logical_bytes(put: Put) -> int:
    size = len(put.key) + len(put.content_type) + len(put.value) + RECORD_BYTES
    return size + 2 * len(put.terms)  # as they are, and as the metadata has them


def pack_meta(meta: Metadata) -> bytes:
    if len(meta) == 5:
        return _META.pack(*meta)
    *fields, tail = meta
    return _META.pack(*fields) + tail


def unpack_meta(row: bytes) -> Metadata:
    """Raises struct.error for a row that is too short."""
    meta: Metadata = _unpack_meta(row)
    if len(row) > _META_BYTES:
        return (*meta[:5], row[_META_BYTES:])
    return meta


def tail_of(put: Put) -> bytes:
    """What the metadata of a version has of its terms."""
    terms = stored_terms(put.terms)
    if terms is None:
        return b""
    marks = b"".join(mark.to_bytes(_MARK_BYTES, "little") for mark in terms.marks)
    return _TAIL.pack(terms.grace, len(terms.marks)) + marks


def grace_of(meta: Metadata) -> float:
    """How long it may be served after its life."""
    grace: float = _TAIL.unpack_from(meta[5])[0] if len(meta) == 6 else 0.0
    return grace


def marks_of(meta: Metadata) -> list[int]:
    """The marks of its tags."""
    if len(meta) == 5:
        return []
    tail = meta[5]
    _, count = _TAIL.unpack_from(tail)
    marks = tail[_TAIL.size : _TAIL.size + count * _MARK_BYTES]
    return [
        int.from_bytes(marks[start : start + _MARK_BYTES], "little")
        for start in range(0, len(marks), _MARK_BYTES)
    ]


def pack_value(put: Put) -> bytes:
    version = (put.seq, put.created_at, put.gone_at, put.content_type, put.size, put.value)
    if put.terms:
        return encode_record(Record(*version, put.checksum, put.terms))
    return encode_record((*version, put.checksum))


def renewed_record(renew: Renew, row: bytes) -> bytes | None:
    """This record with its new life; None if it is damaged, or another version's."""
    try:
        record = decode_record(row)
    except UNDECODABLE:
        return None
    if record.seq != renew.seq or record.checksum not in {0, checksum_of(renew.key, record)}:
        return None
    record.gone_at = renew.gone_at
    if record.checksum:
        record.checksum = checksum_of(renew.key, record)
    return encode_record(record)


def has_terms(row: bytes) -> bool:
    """Whether this is the record of a version with terms."""
    return row[:1] != bytes((_PLAIN,))
