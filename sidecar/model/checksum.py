"""The checksum of a version, from the put to the answer.

RocksDB checks the blocks of its tables. This one covers all that is around them: the frames between
the processes, what is kept in memory, and a row that is another key's.
"""

from __future__ import annotations

import struct

from xxhash import xxh3_64_intdigest

from sidecar.model.answers import Record
from sidecar.model.writes import Put

_pack = struct.Struct("<QddQ").pack
SMALL_BYTES = 4096
"""A smaller value is copied, which costs less than a second digest."""


def checksum_of(key: bytes, version: Put | Record) -> int:
    """XXH3 of 64 bits over a version as it is stored; never 0, which means that there is none."""
    value = version.value
    numbers = _pack(version.seq, version.created_at, version.gone_at, version.size)
    # Joined with +, which takes half the time of a format.
    head = numbers + version.content_type.encode() + b"\0" + version.terms + key
    if len(value) <= SMALL_BYTES:
        return xxh3_64_intdigest(head + value) or 1
    return xxh3_64_intdigest(value, xxh3_64_intdigest(head)) or 1
