"""What was written since a run began, which the run leaves alone.

A source was written before that, so whatever an application puts, deletes or invalidates meanwhile
is newer. Every write of this cache goes through its store, and the store tells its followers; so no
entry has to be read to know. Keys are remembered as bits, so that any number takes the same memory.
A bit may be that of another key: then the store is asked. What a run writes itself is not noted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from xxhash import xxh3_64_intdigest

from sidecar.model.invalidations import Invalidations
from sidecar.model.terms import Terms
from sidecar.store.store import Found, Store

BITS = 1 << 23
"""1 MiB. After 100,000 writes one key in a hundred has a bit that is not its own."""
MOST_SCOPES = 1024
"""With more, all keys count as invalidated."""


class Changes:
    """A follower of the store, from its creation to `close`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._began = store.number()
        self._bits = bytearray(BITS // 8)
        self._scopes = Invalidations()
        self._have_tags_changed = False
        self._is_own = False
        store.watched.follow(self)

    def close(self) -> None:
        self._store.watched.unfollow(self)

    @contextmanager
    def ours(self) -> Iterator[None]:
        """Writes that begin within are those of the run."""
        self._is_own = True
        try:
            yield
        finally:
            self._is_own = False

    async def is_newer(self, key: bytes, terms: Terms | None) -> bool:
        """Whether what is known of this key is newer than the run, as of the moment when this
        returns. It seldom awaits anything.
        """
        if self._is_invalidated(key, terms):
            return True
        if not self._has_bit(key):
            return False
        found = await self._store.resolve(key)
        if self._is_invalidated(key, terms):
            return True
        # Where there is none it was deleted, or the bit is another key's. The former may not be
        # overwritten.
        return not isinstance(found, Found) or found.entry.seq > self._began

    def _is_invalidated(self, key: bytes, terms: Terms | None) -> bool:
        if self._scopes.any and self._scopes.covers(key, self._began):
            return True
        if terms is None or not terms.tags or not self._have_tags_changed:
            return False
        tags = self._store.tags
        return tags.covers(terms.marks, self._began) or tags.forgotten > self._began

    def _has_bit(self, key: bytes) -> bool:
        bit = xxh3_64_intdigest(key) % BITS
        return bool(self._bits[bit >> 3] & 1 << (bit & 7))

    # ---- called by the store, within a write

    def changed(self, key: bytes) -> None:
        if not self._is_own:
            bit = xxh3_64_intdigest(key) % BITS
            self._bits[bit >> 3] |= 1 << (bit & 7)

    def scope_changed(self, scope: bytes) -> None:
        if len(self._scopes) >= MOST_SCOPES:
            scope = b""
        self._scopes.add(scope, self._began + 1)

    def tags_changed(self) -> None:
        self._have_tags_changed = True
