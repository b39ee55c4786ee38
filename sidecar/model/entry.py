"""An entry, the result of a lookup, and the mapping of names to full keys.

Inside the program a namespace and a key are one byte string, ``namespace/key``: a namespace has no
slash, so the first slash divides them, and every scope of an invalidation (a namespace, or a prefix
within it) is simply a prefix of that string.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

import msgspec

from sidecar.model.terms import Terms

MAX_KEY_BYTES = 1024
NAMESPACE_PATTERN = "[A-Za-z0-9._-]{1,64}"
DEFAULT_CONTENT_TYPE = "application/octet-stream"

_NAMESPACE = re.compile(NAMESPACE_PATTERN.encode())
_FULL_KEY = re.compile(rb"%b/.{1,%d}" % (NAMESPACE_PATTERN.encode(), MAX_KEY_BYTES), re.DOTALL)


class Tier(StrEnum):
    """A place where entries are stored."""

    L1 = "l1"
    L2 = "l2"
    L3 = "l3"


# The data path uses these ten times per read, and access to a member of an enumeration takes as
# long as a dict lookup.
L1: Final = Tier.L1
L2: Final = Tier.L2
L3: Final = Tier.L3


UNUSED: Final = -1
"""In place of an epoch: only memory has the entry, and it has had no hit there yet."""


class Packed(msgspec.Struct, eq=False, gc=False):
    """A compressed value: its zstd frame, and the length of the value as put."""

    frame: bytes
    size: int


class Entry(msgspec.Struct, eq=False, gc=False, kw_only=True):
    """One version of one value.

    `seq` is unique for each write and increases; it is the ETag. `times` are `created_at` and
    `gone_at` in wall clock seconds (`inf`: never), as the parts of a complex number, which is one
    object of 32 bytes instead of two. `on_disk` is the epoch of L3 that has this version, 0, or
    UNUSED. `terms` are None for nearly all entries.

    An entry cannot be part of a reference cycle, so the garbage collector does not track it: a
    million entries do not lengthen its pauses.
    """

    key: bytes
    value: bytes | Packed
    content_type: str
    seq: int
    times: complex
    on_disk: int = 0
    hits: int = 0  # in L2, since it came there
    mark: int = 0  # of the policy that orders memory
    terms: Terms | None = None

    @property
    def created_at(self) -> float:
        return self.times.real

    @property
    def expires_at(self) -> float:
        """The end of its life, after which it is stale."""
        terms = self.terms
        return self.times.imag if terms is None else self.times.imag - terms.grace

    @property
    def gone_at(self) -> float:
        """From when on it is not served at all, not even stale."""
        return self.times.imag

    @property
    def size(self) -> int:
        """The length of the value as put."""
        value = self.value
        return len(value) if isinstance(value, bytes) else value.size

    def __repr__(self) -> str:
        return f"Entry({self.key!r}, seq={self.seq}, {self.size} bytes)"


class Hit(msgspec.Struct, eq=False, gc=False):
    """An entry, the tier that had it, and its uncompressed value; or, if it is `packed`, the zstd
    frame of that, for callers that take one. It is `stale` once its life is over.
    """

    entry: Entry
    tier: Tier
    value: bytes
    stale: bool = False
    packed: bool = False


def join(namespace: str, key: bytes) -> bytes:
    """The full key of a validated name."""
    return namespace.encode() + b"/" + key


def split(full_key: bytes) -> tuple[str, bytes]:
    """The namespace and the key of a full key."""
    namespace, _, key = full_key.partition(b"/")
    return namespace.decode(), key


def is_full_key(full_key: bytes) -> bool:
    """Whether its namespace and its key are valid; `name_error` says what is wrong."""
    return _FULL_KEY.fullmatch(full_key) is not None


def name_error(namespace: bytes, key: bytes) -> str | None:
    """The mistake in a name, as a sentence for the user; None if the name is valid."""
    if not _NAMESPACE.fullmatch(namespace):
        return "A namespace is 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-'."
    if not 1 <= len(key) <= MAX_KEY_BYTES:
        return f"A key is 1 to {MAX_KEY_BYTES:,} bytes; this one has {len(key):,}."
    return None
