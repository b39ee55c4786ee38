"""Writes to the store, and the effect of each.

These structs are encoded as arrays and sent to L3 as they are, so a new field must be the last and
have a default.
"""

from __future__ import annotations

import msgspec


class Put(msgspec.Struct, array_like=True, tag=0, gc=False):
    key: bytes
    seq: int
    created_at: float
    gone_at: float
    content_type: str
    size: int  # of the value as put; if `value` is shorter, it is a zstd frame
    value: bytes
    checksum: int = 0  # see `model.checksum`
    terms: bytes = b""  # as `model.terms` encodes them


class Delete(msgspec.Struct, array_like=True, tag=1, gc=False):
    key: bytes
    seq: int


class Invalidate(msgspec.Struct, array_like=True, tag=2, gc=False):
    """Removes everything below `scope` (a prefix of full keys) that was written before `seq`."""

    scope: bytes
    seq: int


class InvalidateTags(msgspec.Struct, array_like=True, tag=3, gc=False):
    """Removes everything with one of these tags (`model.terms.mark_of`) that was written before
    `seq`; and all entries with tags that were written before `floor`. If it is soft, they are
    stale from then on, which L3 only stores.
    """

    marks: list[int]
    seq: int
    floor: int = 0
    soft: bool = False


class Renew(msgspec.Struct, array_like=True, tag=4, gc=False):
    """Lets the version `seq` of a key be gone later. If it is lost, the version expires sooner."""

    key: bytes
    seq: int
    gone_at: float


Write = Put | Delete | Invalidate | InvalidateTags | Renew

RECORD_BYTES = 64
"""The bytes that an entry counts in L3 in addition to its key, content type and value."""

NEW, REPLACED, REFUSED = 0, 1, 2
"""The effect of a write: there was no live version, it replaced one, or it was refused because of
limits or an invalidation."""
