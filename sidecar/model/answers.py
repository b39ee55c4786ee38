"""Answers of a tier that is asked and answers later: a version, a page of keys, its status.

Structs that encode as arrays: the wire from L3 sends them as they are, so a new field goes to the
end and has a default.
"""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, array_like=True, gc=False):
    """A version that L3 has, expired or not: the clock of the sidecar decides."""

    seq: int
    created_at: float
    expires_at: float
    content_type: str
    size: int
    value: bytes


ABSENT, LATE = 0, 1
"""Why a read has no record."""


class ListedKey(msgspec.Struct, array_like=True, gc=False):
    key: bytes
    size: int
    expires_at: float
    hits: int = 0  # as far as they have been reported to L3


class Page(msgspec.Struct, array_like=True):
    keys: list[ListedKey]
    cursor: bytes | None


class Status(msgspec.Struct, array_like=True, gc=False):
    """The state of L3; sent after changes and at least once a second."""

    entries: int
    used_bytes: int
    evictions: int
    expirations: int
    folder_bytes: int
    pending_compaction_bytes: int
    max_seq: int
    invalidations: int
    slowed: bool  # writes are held back until the folder has shrunk
    wiped: bool  # L3 has nothing of what it had before this child opened it
