"""What a version may state beyond its life: how long it may be served stale, whether hits renew its
life, and its tags.

Few entries of a cache state such things, and those that do are alike. So an entry refers to terms
that it shares with others, and most refer to none.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import msgspec
from xxhash import xxh3_64_intdigest

MAX_TAGS = 32
MAX_TAG_BYTES = 128
RENEWALS = 8
"""L3 hears at most this often in the life of a version that hits renew it."""
_MOST_SHARED = 256
"""The most terms that are found again to be shared; the largest take some ten kilobytes each."""
_TERMS_BYTES = 200
_TAG_BYTES = 136
"""What a tag takes beside its own bytes: a string, a mark, their places."""


class _Stored(msgspec.Struct, array_like=True, gc=False):
    """The encoding in L3. A new field must be the last and have a default."""

    namespace: str = ""
    tags: tuple[str, ...] = ()
    while_revalidate: float = 0.0
    if_error: float = 0.0
    sliding: float = 0.0
    max_age: float = math.inf
    etag: str | None = None
    last_modified: str | None = None
    kept: float = 0.0
    must_revalidate: bool = False
    early: float = 0.0


class Terms:
    """The terms of some entries of one namespace; never changed. Durations are in seconds.

    `while_revalidate` and `if_error` are how long it may be served after its life (RFC 5861).
    `sliding` is the life that a hit gives it anew, 0 if none does, but not beyond `max_age` after
    it was written. `etag` and `last_modified` are what its origin knows it by; `kept`, for how long
    it is kept after its life to be revalidated with these; with `must_revalidate`, it is never
    served stale. `early` is the last share of its life in which one of those who read it is to
    load it anew.
    """

    __slots__ = (
        "bytes",
        "early",
        "etag",
        "grace",
        "if_error",
        "kept",
        "last_modified",
        "marks",
        "max_age",
        "must_revalidate",
        "namespace",
        "sliding",
        "tags",
        "while_revalidate",
    )

    def __init__(self, stored: bytes) -> None:
        """Raises msgspec.MsgspecError for what is no encoding of terms."""
        found = _decode(stored)
        self.bytes: Final = stored
        self.namespace: Final = found.namespace
        self.tags: Final = found.tags
        self.marks: Final = tuple(mark_of(found.namespace, tag) for tag in found.tags)
        self.while_revalidate: Final = found.while_revalidate
        self.if_error: Final = found.if_error
        self.grace: Final = max(found.while_revalidate, found.if_error, found.kept)
        """How long it is kept after its life, for whatever reason."""
        self.etag: Final = found.etag
        self.last_modified: Final = found.last_modified
        self.kept: Final = found.kept
        self.must_revalidate: Final = found.must_revalidate
        self.early: Final = found.early
        self.sliding: Final = found.sliding
        self.max_age: Final = found.max_age

    def renewed(self, created_at: float, gone_at: float, now: float) -> float:
        """When a version is gone that was `created_at` and is hit `now`; never sooner."""
        if not self.sliding:
            return gone_at
        return max(gone_at, min(now + self.sliding, created_at + self.max_age) + self.grace)

    def is_worth_renewing(self, gone_at: float, renewed: float) -> bool:
        """Whether L3 has to hear that a life ends later now: some times in each life."""
        step = self.sliding / RENEWALS
        return math.floor(gone_at / step) != math.floor(renewed / step)

    def within(self, namespace: str) -> Terms | None:
        """The same terms for an entry of another namespace."""
        return terms(
            namespace,
            tags=self.tags,
            while_revalidate=self.while_revalidate,
            if_error=self.if_error,
            sliding=self.sliding,
            max_age=self.max_age,
            early=self.early,
        )

    @property
    def cost(self) -> int:
        """Resident bytes, as if nothing was shared."""
        names = sum(len(tag) for tag in self.tags)
        names += len(self.etag or "") + len(self.last_modified or "")
        return _TERMS_BYTES + 2 * names + _TAG_BYTES * len(self.tags)


def mark_of(namespace: str, tag: str) -> int:
    """The number by which a tag is known: XXH3 of 64 bits. Two tags that have the same are
    invalidated together.
    """
    return xxh3_64_intdigest(f"{namespace}/{tag}".encode())


def terms(
    namespace: str,
    *,
    tags: tuple[str, ...] = (),
    while_revalidate: float = 0.0,
    if_error: float = 0.0,
    sliding: float = 0.0,
    max_age: float = math.inf,
    early: float = 0.0,
) -> Terms | None:
    """These terms; None if they state nothing."""
    if not (tags or while_revalidate or if_error or sliding or early):
        return None
    stored = _Stored(namespace, tags, while_revalidate, if_error, sliding, max_age, early=early)
    return stored_terms(_encode(stored))


def with_defaults(
    stated: Terms | None,
    namespace: str,
    graces: tuple[float, float],
    *,
    sliding: float,
    max_age: float | None,
    early: float,
) -> Terms | None:
    """The terms that a put has stated, and where it has not, these: for how long it is served while
    it is revalidated, and after an error; the life that a hit renews, 0 if none does; and the share
    of the life in which it is loaded anew.
    """
    if stated is not None and (stated.must_revalidate or stated.etag or stated.last_modified):
        return stated  # an origin's, which says what applies
    if (
        stated is not None
        and (stated.grace or not any(graces))
        and (stated.sliding or not sliding)
        and (stated.early or not early)
    ):
        return stated
    tags: tuple[str, ...] = ()
    if stated is not None:
        tags = stated.tags
        if stated.grace:
            graces = stated.while_revalidate, stated.if_error
        if stated.sliding:
            sliding, max_age = stated.sliding, stated.max_age
    return terms(
        namespace,
        tags=tags,
        while_revalidate=graces[0],
        if_error=graces[1],
        sliding=sliding,
        max_age=math.inf if max_age is None else max_age,
        early=early,
    )


def terms_of_origin(
    namespace: str,
    *,
    while_revalidate: float,
    if_error: float,
    etag: str | None,
    last_modified: str | None,
    kept: float,
    must_revalidate: bool,
    early: float,
) -> Terms | None:
    """The terms of a value that an origin gave; `kept` only matters if it has validators."""
    stored = _Stored(
        namespace,
        while_revalidate=while_revalidate,
        if_error=if_error,
        etag=etag,
        last_modified=last_modified,
        kept=kept if etag or last_modified else 0.0,
        must_revalidate=must_revalidate,
        early=early,
    )
    return None if stored == _Stored(namespace) else stored_terms(_encode(stored))


@lru_cache(maxsize=_MOST_SHARED)
def stored_terms(stored: bytes) -> Terms | None:
    """The terms with this encoding; None for those of an entry that states none. Raises
    msgspec.MsgspecError.
    """
    return Terms(stored) if stored else None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode
