"""The versions of a command's keys, all of one moment, and what it writes.

One file of more than 300 lines, since what is read and what is written are of that one moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from sidecar.model.clock import Clock
from sidecar.model.entry import DEFAULT_CONTENT_TYPE, Entry, Packed, split
from sidecar.model.errors import NotReadyError, WriteError
from sidecar.model.life import is_expired
from sidecar.model.terms import Terms
from sidecar.resp.effects import Effect, Effects
from sidecar.resp.times import NEVER
from sidecar.store.store import Ask, Found, Reserve, Store
from sidecar.store.watching import Watch
from sidecar.tiers.disk import DOWN, Unanswered
from sidecar.tiers.packing import LOOP_BYTES, unpack

AT_ONCE = 64
"""Keys that are read from L3 at the same time: about as many as fit a frame."""
AT_ONCE_BYTES = 1 << 20
"""The same for their values; a larger one is read alone."""
UNCOUNTED_BYTES = 16 << 10
"""Values that one command holds without the budget."""
MOST_ROUNDS = 100
"""How often the keys of one command are read again because others have written them meanwhile."""


class Version(NamedTuple):
    """An entry that is in force, and its value."""

    entry: Entry
    value: bytes


class Versions:
    """What a command reads and writes. Between `look_up`, or an `at_once` that is true, and the
    next await it may read its keys and write: all of that happens at one moment.
    """

    __slots__ = (
        "_clock",
        "_held",
        "_held_bytes",
        "_kept",
        "_reserved_bytes",
        "_store",
        "_wanted",
        "effects",
    )

    def __init__(self, store: Store, clock: Clock, effects: Effects) -> None:
        self._store = store
        self._clock = clock
        self._held: dict[bytes, Version | None] = {}
        """What was read with a wait; memory may not have had the room for it."""
        self._held_bytes = self._reserved_bytes = 0
        self._wanted: list[bytes] = []
        """What was looked up."""
        self._kept: dict[bytes, Found | None] = {}
        """What was at hand before the first write of several commands."""
        self.effects = effects

    # ---- reading

    def at_once(self, keys: list[bytes]) -> bool:
        """Whether all of them can be read without a wait."""
        self._wanted = keys
        return all(self._is_at_hand(key) for key in keys)

    async def look_up(self, keys: Iterable[bytes], reserve: Reserve) -> None:
        """Read keys, with a wait where it takes one. `reserve` is awaited for the values, which are
        held until the command has run, and may raise. Raises NotReadyError.
        """
        self._wanted = wanted = list(dict.fromkeys(keys))
        watch = Watch()
        for key in wanted:
            self._store.watched.watch(key, watch)
        try:
            for _ in range(MOST_ROUNDS):
                watch.has_changed = False
                # What is at hand is kept as well: it may leave memory during the wait.
                self._held = {key: self.get(key) for key in wanted if self._is_at_hand(key)}
                self._held_bytes = sum(map(_size_of, self._held.values()))
                missing = [key for key in wanted if key not in self._held]
                while missing:
                    some, size = self._at_once(missing)
                    missing = missing[len(some) :]
                    if len(wanted) > 1:  # else it is held as shortly as for a GET
                        await self._reserve(size, reserve)
                    await asyncio.gather(*(self._read(key, reserve) for key in some))
                await self._reserve(0, reserve)
                if not watch.has_changed:
                    return
        finally:
            self._store.watched.unwatch(wanted, watch)
        raise NotReadyError

    def _at_once(self, keys: list[bytes]) -> tuple[list[bytes], int]:
        """The first of these keys, which are read at the same time, and the bytes that their values
        take at the most.
        """
        total = 0
        for count, key in enumerate(keys[:AT_ONCE]):
            size = self._store.size_of(key)
            if count and total + size > AT_ONCE_BYTES:
                return keys[:count], total
            total += size
        return keys[:AT_ONCE], total

    async def _reserve(self, more: int, reserve: Reserve) -> None:
        """Take memory for what is held, and so many bytes more. Little is not counted."""
        size = self._held_bytes + more - self._reserved_bytes
        if size > UNCOUNTED_BYTES:
            self._reserved_bytes += size
            await reserve(size)

    def hold(self, key: bytes, entry: Entry, value: bytes) -> None:
        """Have what a lookup has returned be readable until the next await."""
        self._held[key] = Version(entry, value)

    def keep(self) -> None:
        """Have what was looked up stay readable between the writes of several commands. What one of
        them puts may take the place in memory of what a later one reads; that is in L3 then, and
        the same as before, since what these commands write is pending.
        """
        for key in self._wanted:
            if key not in self._held and not isinstance(found := self._store.locate(key), Ask):
                self._kept[key] = found

    def get(self, key: bytes) -> Version | None:
        """The version in force."""
        found = self._store.locate(key)
        if isinstance(found, Ask):
            if key in self._held:
                held = self._held[key]
                return None if held is None or self._is_gone(held.entry) else held
            found = self._kept[key]
            if found is not None and self._is_gone(found.entry):
                return None
        if found is None or self._is_over(found.entry):
            return None
        entry = found.entry
        if not isinstance(entry.value, Packed):
            return Version(entry, entry.value)
        held = self._held.get(key)
        if held is not None and held.entry.seq == entry.seq:
            return held
        return Version(entry, unpack(entry.value))

    def entry(self, key: bytes) -> Entry | None:
        """The entry in force, without its value being unpacked."""
        entry = self._stored(key)
        return None if entry is None or self._is_over(entry) else entry

    def may_be_found(self, key: bytes) -> bool:
        """Now, or later: an L3 that is away may have it; or it has expired, and the clock may be
        set back.
        """
        return self._store.l3_state is DOWN or self._stored(key) is not None

    def _stored(self, key: bytes) -> Entry | None:
        """Even if it has expired."""
        found = self._store.locate(key)
        if isinstance(found, Ask):
            known = self._held.get(key) or self._kept.get(key)
            return None if known is None else known.entry
        return None if found is None else found.entry

    def _is_at_hand(self, key: bytes) -> bool:
        found = self._store.locate(key)
        if isinstance(found, Ask):
            return False
        value = None if found is None else found.entry.value
        return not isinstance(value, Packed) or value.size <= LOOP_BYTES

    def _is_over(self, entry: Entry) -> bool:
        return self._store.is_over(entry)

    def _is_gone(self, entry: Entry) -> bool:
        """Whether what was read before is over, or was invalidated earlier in this transaction."""
        return self._is_over(entry) or self._store.is_invalidated(entry)

    async def _read(self, key: bytes, reserve: Reserve) -> None:
        found, value = await self._store.read(key, reserve)
        if isinstance(found, Unanswered):
            raise NotReadyError
        self._held[key] = version = None if found is None else _version(found, value)
        self._held_bytes += _size_of(version)

    # ---- writing

    def together(self) -> AbstractContextManager[None]:
        """What is written within is one batch in L3: see `Disk.together`."""
        return self._store.together()

    def put(self, key: bytes, value: bytes, expires_at: float) -> None:
        """Raises WriteError; nothing was changed then. A version that has expired already is not
        there, as in Redis.
        """
        self._put(key, value, expires_at, DEFAULT_CONTENT_TYPE)

    def put_in_place_of(self, version: Version, value: bytes) -> None:
        """Put a value that expires when that version does; its terms are the value's own."""
        entry = version.entry
        self._put(entry.key, value, entry.expires_at, DEFAULT_CONTENT_TYPE, kept=True)

    def revise(self, key: bytes, value: bytes, version: Version | None) -> None:
        """Put what became of the value of that version, whose life and terms it keeps."""
        if version is None:
            self.put(key, value, self.unstated(key))
            return
        entry = version.entry
        self._put(key, value, entry.expires_at, DEFAULT_CONTENT_TYPE, terms=entry.terms, kept=True)

    def copy(self, key: bytes, version: Version) -> None:
        """Put the same under another key."""
        entry = version.entry
        terms = None if entry.terms is None else entry.terms.within(split(key)[0])
        self._put(key, version.value, entry.expires_at, entry.content_type, terms=terms, kept=True)

    def unstated(self, key: bytes) -> float:
        """When an entry expires that is put without a life: never, as in Redis, unless its
        namespace has a default.
        """
        return self._clock() + self._store.default_life(key, NEVER)

    def put_described(
        self,
        key: bytes,
        value: bytes,
        expires_at: float,
        content_type: str,
        terms: Terms | None,
        *,
        lease: str | None,
    ) -> Effect | None:
        """As `put`, of a media type and with terms. Raises WriteError, also if the lease with this
        token is not held. Returns None where the version has expired already.
        """
        if lease is not None:
            self._store.check_lease(key, lease, terms)
        return self._put(key, value, expires_at, content_type, terms=terms)

    def _put(
        self, key: bytes, value: bytes, expires_at: float, content_type: str, **options: Any
    ) -> Effect | None:
        """`options` are those of `Store.begin_put`."""
        if is_expired(expires_at, self._clock()):
            self.delete(key)
            return None
        effect = self.effects.begin()
        try:
            self._store.begin_put(
                key, value, content_type, 0.0, effect, expires_at=expires_at, **options
            )
        except WriteError:
            self.effects.withdraw(1)
            raise
        return effect

    def redate(self, entry: Entry, expires_at: float) -> None:
        """Give an entry that is in force another time of expiry."""
        if is_expired(expires_at, self._clock()):
            self.delete(entry.key)
        else:
            self._store.begin_redate(entry, expires_at, self.effects.begin())

    def redate_unseen(self, key: bytes, expires_at: float) -> None:
        """The same of a key that was not found, and may be later."""
        if is_expired(expires_at, self._clock()) and self.may_be_found(key):
            self.delete(key)

    def delete(self, key: bytes) -> Callable[[], bool]:
        """Returns what says, once all effects are known, whether there was one."""
        on_written = self.effects.begin()
        self._store.begin_delete(key, on_written, certain=True)
        return on_written.has_replaced

    def flush(self, scopes: Iterable[bytes]) -> None:
        """Remove all entries below these scopes. Raises WriteError; nothing was changed then."""
        scopes = tuple(scopes)
        effects = {scope: self.effects.begin() for scope in scopes}
        try:
            with self.together():
                self._store.begin_invalidate(effects)
        except WriteError:
            self.effects.withdraw(len(effects))
            raise

    def invalidate_tags(self, marks: list[int]) -> None:
        """Remove all entries with one of these tags (`terms.mark_of`)."""
        self._store.begin_invalidate_tags(marks, self.effects.begin())


def _size_of(version: Version | None) -> int:
    return 0 if version is None else len(version.value)


def _version(found: Found, value: bytes | None) -> Version:
    if value is None:
        stored = found.entry.value
        value = stored if isinstance(stored, bytes) else unpack(stored)
    return Version(found.entry, value)
