"""What answers a read of a key whose namespace has an origin."""

from __future__ import annotations

import msgspec

from sidecar.model.entry import Hit


class Loaded(msgspec.Struct, frozen=True):
    """A hit. `fetched` is whether it was fetched for this, and `collapsed`, for another as well."""

    hit: Hit
    fetched: bool = False
    collapsed: bool = False


class Passed(msgspec.Struct, frozen=True):
    """A response that was not stored."""

    value: bytes
    content_type: str
    status: int = 200
    is_shared: bool = True
    """Whether all who asked may have it."""


class Absent(msgspec.Struct, frozen=True):
    """The origin has no such value."""

    status: int


Answer = Loaded | Passed | Absent
