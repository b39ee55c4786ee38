"""Writes to the store, and the effect of each.

Structs that encode as arrays: the wire to L3 sends them as they are, so a new field goes to the end
and has a default.
"""

from __future__ import annotations

import msgspec


class Put(msgspec.Struct, array_like=True, tag=0, gc=False):
    key: bytes
    seq: int
    created_at: float
    expires_at: float
    content_type: str
    size: int  # of the value as the user put it; where `value` is shorter, it is a zstd frame
    value: bytes


class Delete(msgspec.Struct, array_like=True, tag=1, gc=False):
    key: bytes
    seq: int


class Invalidate(msgspec.Struct, array_like=True, tag=2, gc=False):
    """Everything below `scope` (a prefix of full keys) that was written before `seq` is gone."""

    scope: bytes
    seq: int


Write = Put | Delete | Invalidate

NEW, REPLACED, REFUSED = 0, 1, 2
"""The effect of a write: there was no live version, it replaced one, or limits or an invalidation
forbid it."""
