"""Client-side caching: which client has read which key, and is to be told once it changes.

A client that tracks keeps what it has read (a near cache), and is told which of its keys are no
longer what they were, whoever has written them, over whichever protocol:

| mode | told of | remembered |
|---|---|---|
| default | what it has read, once, until it reads it again | each key that it reads, with its id |
| BCAST | all keys that begin with one of its prefixes | of what it reads, what expires |

A near cache knows no lives, so a key that expires counts as changed. Keys are remembered at the
moment in which a command reads them, with nothing between; what is sent lies in the order of
replies behind the one that has them. So no change is lost, and none overtakes the value.

Memory is bounded: beyond it, the key that was read longest ago is said to have changed, and
is forgotten. As in Redis, clients are told keys without their databases. The semantics are those of
tracking.c of Redis 7.2. Names in this module: `key` is a full key, `name` what the client calls it.
More than 300 lines, since the table and those that are told of its keys change together.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from heapq import heapify, heappop, heappush
from typing import Protocol

from sidecar.model.life import is_expired
from sidecar.resp.command import Command, Reply
from sidecar.resp.databases import is_database
from sidecar.resp.deliveries import Deliveries
from sidecar.resp.errors import OUT_OF_MEMORY, RespError
from sidecar.resp.replies import array, bulk, integer, null, push
from sidecar.resp.session import Session, Tracking
from sidecar.resp.times import NEVER
from sidecar.resp.versions import Versions
from sidecar.serving.budget import Budget
from sidecar.store.store import Store

CHANNEL = b"__redis__:invalidate"
"""Where clients of RESP2 are told."""
MOST_KEYS = 100_000
"""Keys that are remembered, over all clients."""
BUDGET_PART = 8
"""They take at most this part of the memory of requests."""
KEY_BYTES, READER_BYTES = 512, 64
"""What a remembered key takes besides its bytes, and for each client that has read it."""
MOST_PREFIXES = 256
"""Prefixes of one client."""
AT_ONCE = 256
"""Keys that expire in a turn of the loop."""
MOST_DROPPED = 8
"""Keys that are forgotten for a new one."""
LONGEST_TIMER_SECONDS = 3600.0
"""The wall clock may be set meanwhile."""


class Running(Protocol):
    """A call, as far as it is needed here."""

    command: Command
    client: Session
    versions: Versions

    def full_keys(self) -> list[bytes]: ...


class _Row:
    """A remembered key."""

    __slots__ = ("expires_at", "readers")

    def __init__(self) -> None:
        self.readers: set[int] = set()
        self.expires_at = NEVER


class Tracker:
    """The clients that track, and the keys that are remembered for them."""

    def __init__(
        self, store: Store, clients: dict[int, Session], budget: Budget, deliveries: Deliveries
    ) -> None:
        """`clients` are all that are connected, by id."""
        self._watched = store.watched
        self._clock = store.clock
        self._clients = clients
        self._budget = budget
        self._deliveries = deliveries
        self._tracking: dict[int, Session] = {}
        self._rows: OrderedDict[bytes, _Row] = OrderedDict()
        self._held_bytes = 0
        self._is_following = False
        self._writer = 0  # the tracking client whose command runs
        self._due: list[tuple[float, bytes]] = []  # a heap; a key may be there that is forgotten
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._prefixes: dict[bytes, set[int]] = {}
        self._lengths: Counter[int] = Counter()  # of those prefixes
        self._broadcast: dict[bytes, dict[bytes, int]] = {}  # prefix -> name -> who wrote it last
        self._flushed = False  # all that track are to be told so
        self._is_due = False  # `_tell_together` will be called

    # ---- who tracks

    def start(self, client: Session, wanted: Tracking) -> None:
        """Begin, or go on with other options; prefixes are added to those that it has. Raises
        RespError.
        """
        current = client.tracking or Tracking()
        new = wanted.prefixes
        if wanted.is_broadcast and not new and b"" not in current.prefixes:
            new = [b""]
        wanted.prefixes = current.prefixes + new
        wanted.is_exception = current.is_exception
        if len(wanted.prefixes) > MOST_PREFIXES:
            raise RespError(f"ERR A client may have {MOST_PREFIXES:,} prefixes.")
        if not self._budget.take(_cost_of(new)):
            raise RespError(OUT_OF_MEMORY)
        client.tracking = wanted
        self._tracking[client.id] = client
        for prefix in new:
            if prefix not in self._prefixes:
                self._prefixes[prefix] = set()
                self._lengths[len(prefix)] += 1
            self._prefixes[prefix].add(client.id)
        self._follow()
        client.note_state()

    def stop(self, client: Session) -> None:
        """Its keys stay remembered: it is told of them if it starts again, as in Redis."""
        tracking = client.tracking
        if tracking is None:
            return
        client.tracking = None
        del self._tracking[client.id]
        for prefix in tracking.prefixes:
            self._prefixes[prefix].discard(client.id)
            if not self._prefixes[prefix]:
                del self._prefixes[prefix]
                self._lengths -= Counter((len(prefix),))
        self._budget.give(_cost_of(tracking.prefixes))
        self._follow()
        client.note_state()

    def leave(self, client: Session) -> None:
        """It is gone. Its keys go with those of others: when they change, or the table is full."""
        self.stop(client)
        if not self._tracking:
            self._clear()

    @property
    def clients(self) -> int:
        return len(self._tracking)

    @property
    def keys(self) -> int:
        """How many are remembered."""
        return len(self._rows)

    @property
    def prefixes(self) -> int:
        return len(self._prefixes)

    def _follow(self) -> None:
        """Be told of changes while there is somebody to tell."""
        wanted = bool(self._rows or self._prefixes)
        if wanted is not self._is_following:
            self._is_following = wanted
            (self._watched.follow if wanted else self._watched.unfollow)(self)

    # ---- what is read

    def run(self, call: Running) -> Reply:
        """Run a command of a client that tracks."""
        client, command = call.client, call.command
        self._writer = client.id
        try:
            self.note(call)
            assert command.run is not None  # noqa: S101  (the caller knows)
            return command.run(call)
        finally:
            self._writer = 0
            self.ended(client, command.name)

    def ended(self, client: Session, command: str) -> None:
        """A command is over, whether it has run or was refused: what was said of it by CLIENT
        CACHING is not for the next one.
        """
        is_of_client = command.startswith("client|")
        if client.tracking is not None and not is_of_client and client.transaction is None:
            client.tracking.is_exception = False

    def note(self, call: Running) -> None:
        """Remember what a command is about to read, at the same moment. Raises RespError."""
        client, tracking = call.client, call.client.tracking
        if tracking is None or "readonly" not in call.command.flags or not tracking.remembers:
            return
        for key in call.full_keys():
            entry = call.versions.entry(key)
            expires_at = NEVER if entry is None else entry.expires_at
            if not tracking.is_broadcast:
                self._remember(key, client.id, expires_at)
            elif expires_at != NEVER and any(self._prefixes_of(_name_of(key))):
                self._remember(key, 0, expires_at)
        self._follow()

    def _remember(self, key: bytes, reader: int, expires_at: float) -> None:
        row = self._rows.get(key)
        size = KEY_BYTES + len(key) if row is None else 0
        if row is not None:
            self._rows.move_to_end(key)
        if row is None or reader not in row.readers:
            size += READER_BYTES
        if size and not self._take(size, key):
            self._expire(key, also=reader)
            return
        if row is None:
            row = self._rows[key] = _Row()
        row.readers.add(reader)
        if expires_at < row.expires_at:
            row.expires_at = expires_at
            self._note_expiry(expires_at, key)

    def _take(self, size: int, spared: bytes) -> bool:
        """Take memory, of other keys if need be."""
        for _ in range(MOST_DROPPED):
            is_within = self._held_bytes + size <= self._budget.most_bytes // BUDGET_PART
            if is_within and len(self._rows) < MOST_KEYS and self._budget.take(size):
                self._held_bytes += size
                return True
            oldest = next(iter(self._rows), spared)
            if oldest == spared:
                return False
            self._expire(oldest)
        return False

    def _forget(self, key: bytes) -> set[int]:
        """Returns who has read it."""
        row = self._rows.pop(key, None)
        if row is None:
            return set()
        self._give(KEY_BYTES + len(key) + READER_BYTES * len(row.readers))
        return row.readers

    def _clear(self) -> None:
        self._rows.clear()
        self._due.clear()
        self._give(self._held_bytes)
        self._follow()

    def _give(self, size: int) -> None:
        self._held_bytes -= size
        self._budget.give(size)

    # ---- what changes

    def changed(self, key: bytes) -> None:
        """A Follower of the store."""
        name = _name_of(key)
        for prefix in self._prefixes_of(name):
            self._broadcast.setdefault(prefix, {})[name] = self._writer
            self._soon()
        if key in self._rows:
            self._tell_readers(name, self._forget(key))
            self._follow()

    def tags_changed(self) -> None:
        self.scope_changed(b"")

    def scope_changed(self, scope: bytes) -> None:
        """A Follower of the store. O(remembered keys)."""
        namespace, _, start = scope.partition(b"/")
        if not start and (not namespace or is_database(namespace)):
            self._flushed = True
            self._clear()
            self._soon()
            return
        names: dict[int, list[bytes]] = {}
        for key in [key for key in self._rows if key.startswith(scope)]:
            for reader in self._forget(key):
                if self._is_told_of_keys(reader):
                    names.setdefault(reader, []).append(_name_of(key))
        self._follow()
        self._deliveries.add(names.items(), lambda told: self._tell(told[0], _Names(told[1])))
        readers: set[int] = set()
        for prefix, clients in self._prefixes.items():
            if prefix.startswith(start) or start.startswith(prefix):
                readers |= clients
        # Which of their keys these were is not known, so all are said to have changed.
        self._deliveries.add(readers, lambda reader: self._tell(reader, null))

    def _prefixes_of(self, name: bytes) -> Iterator[bytes]:
        for length in self._lengths:
            if name[:length] in self._prefixes and length <= len(name):
                yield name[:length]

    def _tell_readers(self, name: bytes, readers: Iterable[int]) -> None:
        """Those of the default mode."""
        writer = self._writer
        keys = _Names([name])

        def tell(reader: int) -> None:
            if self._is_told_of_keys(reader) and not (reader == writer and self._skips_own(reader)):
                self._tell(reader, keys)

        self._deliveries.add(readers, tell)

    def _is_told_of_keys(self, reader: int) -> bool:
        """Whether it is in the default mode; it may have changed since it has read a key."""
        client = self._tracking.get(reader)
        return (
            client is not None and client.tracking is not None and not client.tracking.is_broadcast
        )

    def _skips_own(self, reader: int) -> bool:
        client = self._tracking.get(reader)
        return client is not None and client.tracking is not None and client.tracking.skips_own

    # ---- what expires

    def _note_expiry(self, expires_at: float, key: bytes) -> None:
        if len(self._due) > 2 * len(self._rows) + AT_ONCE:  # most are forgotten
            self._due = [
                (row.expires_at, key) for key, row in self._rows.items() if row.expires_at != NEVER
            ]
            heapify(self._due)
        else:
            heappush(self._due, (expires_at, key))
        self._set_timer()

    def _set_timer(self) -> None:
        if not self._due:
            return
        earliest = self._due[0][0]
        if self._timer is not None:
            if self._timer_at <= earliest:
                return
            self._timer.cancel()
        delay = min(max(0.0, earliest - self._clock()), LONGEST_TIMER_SECONDS)
        self._timer_at = earliest
        self._timer = asyncio.get_running_loop().call_later(delay, self._expire_due)

    def _expire_due(self) -> None:
        self._timer = None
        now = self._clock()
        for _ in range(AT_ONCE):
            if not self._due or not is_expired(self._due[0][0], now):
                break
            expires_at, key = heappop(self._due)
            row = self._rows.get(key)
            if row is not None and row.expires_at == expires_at:
                self._expire(key)
        self._set_timer()

    def _expire(self, key: bytes, also: int | None = None) -> None:
        """Say that it has changed, on nobody's behalf."""
        name = _name_of(key)
        readers = self._forget(key)
        if also is not None:
            readers.add(also)
        for prefix in self._prefixes_of(name):
            self._broadcast.setdefault(prefix, {})[name] = 0
            self._soon()
        writer, self._writer = self._writer, 0
        self._tell_readers(name, readers)
        self._writer = writer
        self._follow()

    # ---- what is told once in a turn of the loop: broadcasts, and that all is flushed

    def _soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._tell_together)

    def _tell_together(self) -> None:
        self._is_due = False
        if self._flushed:
            self._flushed = False
            self._deliveries.add(list(self._tracking), lambda reader: self._tell(reader, null))
        broadcast, self._broadcast = self._broadcast, {}
        for prefix in sorted(broadcast):
            written = broadcast[prefix]
            keys = _Names(sorted(written))
            readers = sorted(self._prefixes.get(prefix, ()))
            self._deliveries.add(readers, partial(self._tell_broadcast, written, keys))

    def _tell_broadcast(self, written: dict[bytes, int], keys: _Names, reader: int) -> None:
        if reader in written.values() and self._skips_own(reader):
            names = sorted(name for name, writer in written.items() if writer != reader)
            if not names:
                return
            keys = _Names(names)
        self._tell(reader, keys)

    # ---- to one client

    def _tell(self, reader: int, payload: Callable[[int], bytes]) -> None:
        """Push it to a client that tracks, or to the one that is told instead."""
        client = self._tracking.get(reader)
        if client is None or client.tracking is None:
            return
        target, redirect = client, client.tracking.redirect
        if redirect:
            found = self._clients.get(redirect)
            if found is None:
                client.tracking.is_broken = True
                if client.protocol == 3:
                    client.push(push(3, [bulk(b"tracking-redir-broken"), integer(redirect)]))
                return
            target = found
        if target.protocol == 3:
            target.push(push(3, [bulk(b"invalidate"), payload(3)]))
        elif redirect and target.subscribed is not None:
            target.push(push(2, [bulk(b"message"), bulk(CHANNEL), payload(2)]))


class _Names:
    """Keys as clients know them, encoded once."""

    __slots__ = ("_encoded", "_names")

    def __init__(self, names: list[bytes]) -> None:
        self._names = names
        self._encoded: bytes | None = None

    def __call__(self, _protocol: int) -> bytes:
        if self._encoded is None:
            self._encoded = array([bulk(name) for name in self._names])
        return self._encoded


def _cost_of(prefixes: list[bytes]) -> int:
    return sum(KEY_BYTES + len(prefix) for prefix in prefixes)


def _name_of(key: bytes) -> bytes:
    return key.partition(b"/")[2]
