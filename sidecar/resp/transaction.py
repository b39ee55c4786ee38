"""What MULTI has queued, and what WATCH watches."""

from __future__ import annotations

import math

from sidecar.model.clock import Clock
from sidecar.model.errors import NotReadyError
from sidecar.model.life import is_expired
from sidecar.resp.command import Command
from sidecar.serving.budget import Budget
from sidecar.store.store import Store
from sidecar.store.watching import Watch
from sidecar.tiers.disk import Unanswered

MOST_UNCOUNTED_BYTES = 16 << 10
ARGUMENT_BYTES = 64
MOST_COMMANDS = 10_000
"""They run at one moment, in which nobody else is served."""
MOST_WATCHED = 10_000
"""Keys that one client may watch."""


WATCH_BYTES = 512
"""What a watched key takes besides its bytes."""


class Transaction:
    """Commands that were queued, from MULTI on."""

    __slots__ = ("_budget", "_bytes", "_held_bytes", "commands", "is_spoilt")

    def __init__(self, budget: Budget) -> None:
        self.commands: list[tuple[Command, list[bytes]]] = []
        self.is_spoilt = False
        """Whether one could not be queued, so that EXEC is refused."""
        self._budget = budget
        self._bytes = 0
        self._held_bytes = 0

    def add(self, command: Command, arguments: list[bytes]) -> bool:
        """False if there is no room for it; the transaction is spoilt then."""
        if len(self.commands) == MOST_COMMANDS:
            self.is_spoilt = True
            return False
        size = sum(map(len, arguments)) + ARGUMENT_BYTES * (len(arguments) + 1)
        if self._bytes + size > MOST_UNCOUNTED_BYTES:
            if not self._budget.take_for_long(size):
                self.is_spoilt = True
                return False
            self._held_bytes += size
        self._bytes += size
        self.commands.append((command, arguments))
        return True

    def end(self) -> None:
        """Give back what it holds."""
        self._budget.give(self._held_bytes)
        self._held_bytes = 0
        self.commands = []


class Watching:
    """The keys that one client watches."""

    def __init__(self, store: Store, budget: Budget) -> None:
        self._store = store
        self._budget = budget
        self._held_bytes = 0
        self._watch = Watch()
        self._keys: set[bytes] = set()
        self._expires_at = math.inf

    def has_changed(self, now: float) -> bool:
        """Whether one of them has been written, or has expired, since it was watched."""
        return self._watch.has_changed or is_expired(self._expires_at, now)

    def add(self, keys: list[bytes]) -> bool:
        """False if they are too many, or there is no memory for them."""
        size = sum(len(key) + WATCH_BYTES for key in keys)
        is_within = len(self._keys) + len(keys) <= MOST_WATCHED
        if not (is_within and self._budget.take_for_long(size)):
            return False
        self._held_bytes += size
        for key in keys:
            self._store.watched.watch(key, self._watch)
        self._keys.update(keys)
        return True

    async def read(self, keys: list[bytes], now: Clock) -> None:
        """Note when those that were just added expire; of one that has, it does not matter. Raises
        NotReadyError.
        """
        for key in keys:  # one by one: only one value is held
            found = await self._store.resolve(key)
            if isinstance(found, Unanswered):
                raise NotReadyError
            if found is not None and not is_expired(found.entry.expires_at, now()):
                self._expires_at = min(self._expires_at, found.entry.expires_at)

    def end(self) -> None:
        self._store.watched.unwatch(self._keys, self._watch)
        self._budget.give(self._held_bytes)
        self._held_bytes = 0
        self._keys = set()
