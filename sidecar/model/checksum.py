"""The checksum of a version, from the put to the answer.

RocksDB checks the blocks of its tables. This one covers all that is around them: the frames between
the processes, what is kept in memory, and a row that is another key's.
"""

from __future__ import annotations

import struct

from xxhash import xxh3_64_intdigest

from sidecar.model.answers import Record
from sidecar.model.writes import Put

_HEAD = struct.Struct("<QddQ")


def checksum_of(key: bytes, version: Put | Record) -> int:
    """XXH3 of 64 bits over a version as it is stored; never 0, which means that there is none."""
    head = _HEAD.pack(version.seq, version.created_at, version.expires_at, version.size)
    name = version.content_type.encode() + b"\0" + key
    return xxh3_64_intdigest(version.value, xxh3_64_intdigest(head + name)) or 1
