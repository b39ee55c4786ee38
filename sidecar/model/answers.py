"""Answers of a tier that responds asynchronously: a version, a page of keys, its status.

These structs are encoded as arrays and sent as they are, so a new field must be the last and have a
default.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Seq = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
"""The number of a write; those that follow it fit 64 bits, too."""
Size = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]


class Record(Struct, array_like=True, gc=False):
    """A version in L3. It may have expired, which the sidecar's clock decides."""

    seq: Seq
    created_at: float
    gone_at: float
    content_type: str
    size: Size
    value: bytes
    checksum: int = 0  # 0: it is from before there were any
    terms: bytes = b""


PAGE_BYTES = 64 << 10
"""The keys of a page are not more, by more than the last of them: each is there several times while
the page is made and sent.
"""
ABSENT, LATE = 0, 1
"""Why a read has no record."""
Row = memoryview
"""A record as it lies in L3; it may be damaged, whatever checksums the volume has."""


class ListedKey(Struct, array_like=True, gc=False):
    key: bytes
    size: int
    expires_at: float
    hits: int = 0  # those reported to L3 so far
    grace: float = 0.0  # how long after that it may be served stale


class Page(Struct, array_like=True):
    keys: list[ListedKey]
    cursor: bytes | None


class Status(Struct, array_like=True, gc=False):
    """The state of L3; sent after changes and at least once a second."""

    entries: int
    used_bytes: int
    evictions: int
    expirations: int
    folder_bytes: int
    pending_compaction_bytes: int
    max_seq: int
    invalidations: int
    slowed: bool  # writes wait until the folder has shrunk
    wiped: bool  # nothing is left from before this child opened L3
    damaged: int = 0  # reads by this child that met a damaged block
    gone: str = ""  # why entries from before are gone, for the log; empty if none are
    largest: int = 0xFFFFFFFF  # the size of the largest entry so far
    softened: list[tuple[int, int]] = []  # with the first status: see `Tags.items`
    invalidation_bytes: int = 0  # of the scopes
