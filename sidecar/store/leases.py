"""Leases: who may load a key that is missing, or stale, while the others wait.

A lease is for one key. Whoever asks for a missing key takes it, and puts the value with its token;
the others wait for that. Every write of the key ends its lease, and a put whose lease has ended is
refused. So a value that was loaded before a delete or an invalidation never comes back (Nishtala et
al., "Scaling Memcache at Facebook", NSDI 2013). Where the holder does not put, the lease runs out,
and the first of those who wait takes the next one.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

import msgspec

from sidecar.model.clock import Clock
from sidecar.model.errors import TooManyLeasesError
from sidecar.store.watching import Watched

MOST_LEASES = 4096
"""About 600 bytes each, and the key."""
TOKEN_BYTES = 12
ABOVE_ALL = 1 << 64


class Lease(msgspec.Struct, eq=False):
    """`seq` numbers it among the writes; it runs out at `ends_at` of the monotonic clock."""

    key: bytes
    token: str
    seq: int
    ends_at: float
    waiters: list[asyncio.Future[None]]


class Leases:
    """The leases that are held, by key. While there are any, they follow all that changes."""

    def __init__(self, watched: Watched, monotonic: Clock, number: Callable[[], int]) -> None:
        """`number` gives the number of a write."""
        self._watched = watched
        self._monotonic = monotonic
        self._number = number
        self._held: dict[bytes, Lease] = {}

    def __len__(self) -> int:
        return len(self._held)

    @property
    def oldest_seq(self) -> int:
        """The number of the first that is held; above all numbers if none is."""
        return min((lease.seq for lease in self._held.values()), default=ABOVE_ALL)

    def take(self, key: bytes, seconds: float) -> Lease | None:
        """The lease of a key; None if somebody else holds it. Raises TooManyLeasesError."""
        if self._holder(key) is not None:
            return None
        if len(self._held) >= MOST_LEASES:
            self._drop_ended()
        if len(self._held) >= MOST_LEASES:
            raise TooManyLeasesError
        if not self._held:
            self._watched.follow(self)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        lease = Lease(key, token, self._number(), self._monotonic() + seconds, [])
        self._held[key] = lease
        return lease

    def holds(self, key: bytes, token: str) -> Lease | None:
        """The lease with this token, if it is still held."""
        lease = self._holder(key)
        sent = token.encode("utf-8", "surrogateescape")
        if lease is None or not secrets.compare_digest(lease.token.encode(), sent):
            return None
        return lease

    def give_back(self, lease: Lease) -> None:
        """End a lease; nothing happens if it has ended."""
        if self._held.get(lease.key) is lease:
            self.changed(lease.key)

    async def wait(self, key: bytes, until: float) -> None:
        """Wait until the lease of a key ends, but not longer than that moment of the clock."""
        lease = self._holder(key)
        if lease is None:
            return
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lease.waiters.append(ended)
        seconds = min(lease.ends_at, until) - self._monotonic()
        try:
            await asyncio.wait([ended], timeout=max(0.0, seconds))
        finally:  # also where whoever waits is gone
            if not ended.done():
                lease.waiters.remove(ended)

    # ---- as one who follows what changes

    def changed(self, key: bytes) -> None:
        lease = self._held.pop(key, None)
        if lease is None:
            return
        for ended in lease.waiters:
            if not ended.done():
                ended.set_result(None)
        if not self._held:
            self._watched.unfollow(self)

    def scope_changed(self, scope: bytes) -> None:
        for key in [key for key in self._held if key.startswith(scope)]:
            self.changed(key)

    def tags_changed(self) -> None:
        """What was loaded meanwhile is judged by its own tags, when it is put."""

    # ---- inside

    def _holder(self, key: bytes) -> Lease | None:
        lease = self._held.get(key)
        if lease is not None and lease.ends_at <= self._monotonic():
            self.changed(key)
            return None
        return lease

    def _drop_ended(self) -> None:
        now = self._monotonic()
        for key in [key for key, lease in self._held.items() if lease.ends_at <= now]:
            self.changed(key)
