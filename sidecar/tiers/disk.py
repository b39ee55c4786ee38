"""The client of L3: requests, their answers, and the pending writes.

It has no socket: `take` returns the next frame to send, `feed` takes a reply, `lost` reports the
end of the child. One class of more than 300 lines, since reads, writes and calls share one order.

That order is the protocol (see `l3.wire`), and two guarantees follow from it. A read that was
issued before a write is answered before that write is acknowledged. And a write is in `pending`
from the moment it is issued until L3 has it, so that L3 is never asked for a key of which it has an
old version.

The states, and the transitions between them:

| state     | `read`        | a write                 | first status   | `lost`    | `give_up` |
|-----------|---------------|-------------------------|----------------|-----------|-----------|
| `opening` | UNANSWERED    | `write`: pending        | `up`           | `opening` | `down`    |
| `up`      | sent          | `write`: pending, sent  | (a report)     | `opening` | `down`    |
| `down`    | UNANSWERED    | `miss`: noted as missed | `up`           | `down`    | `down`    |

The first state is `opening`. With `lost`, pending writes are kept, to be sent again in order before
any read. With `give_up` their keys are noted as missed, as are all later ones (see `missed`). With
the first status of a child, the store writes what was missed, before any read; or the child has
emptied L3, and `epoch` increases.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice, takewhile
from typing import Final, Generic, TypeVar

import msgspec
import structlog

from sidecar.l3 import wire
from sidecar.model.answers import LATE, Page, Row, Status
from sidecar.model.checksum import checksum_of
from sidecar.model.clock import Clock
from sidecar.model.entry import Entry, Packed
from sidecar.model.terms import stored_terms
from sidecar.model.writes import REFUSED, Delete, Put, Renew, Write
from sidecar.tiers.allowance import Allowance, pending_bytes
from sidecar.tiers.crowd import SYNCED_WAIT_SECONDS, WAIT_SECONDS, Crowd
from sidecar.tiers.missed import Missed

MAX_PENDING_WRITES = 1024
MAX_PENDING_BYTES = 16 << 20
"""The most pending bytes; beyond it writers wait. A single larger value may be pending alone."""
MAX_READS = 4096
"""The most waiting reads; beyond it they are misses. More than all connections can issue."""
MAX_TOUCHES = 1024
TOUCH_SECONDS = 0.5
"""How long hits in memory are collected before they are sent to L3."""

OF_A_KEY = (Put, Delete)
"""A tuple, since asking a union takes three times as long, and every write is asked."""

log = structlog.get_logger("sidecar.l3")


class State(StrEnum):
    OPENING = "opening"
    UP = "up"
    DOWN = "down"


OPENING: Final = State.OPENING
UP: Final = State.UP
DOWN: Final = State.DOWN


class Unanswered:
    """L3 did not answer: it timed out, exited, or is overloaded."""

    __slots__ = ()


UNANSWERED = Unanswered()

Answer = Row | int | Unanswered
Ack = int | None | Unanswered
OnAck = Callable[[Ack], None]
"""Called with the effect of the write (`NEW`...); with None if L3 went down and will not apply it;
with UNANSWERED if L3 did not answer in time, so that the effect is unknown."""


class Pending(msgspec.Struct, eq=False):
    """A write that L3 has not acknowledged. `entry` is None for a delete or an invalidation."""

    write: Write
    size: int
    entry: Entry | None
    issued_at: float
    on_ack: OnAck | None
    group: int = 0
    """Writes of one group, other than 0, are one batch in L3."""


class Unrecorded(msgspec.Struct, eq=False):
    """A missed write whose record is not on the volume yet."""

    issued_at: float
    on_ack: OnAck


class Read(msgspec.Struct, eq=False):
    """A pending read of one key."""

    key: bytes
    asked_at: float = 0.0
    answered: bool = False


Asked = TypeVar("Asked", bound=Read)


class Disk(Generic[Asked]):
    """The client's end of L3. Synchronous throughout; callbacks run inside `feed`, in order.

    The store issues operations and registers callbacks with `deliver_to`; the link to the child
    calls `take` and `feed` and registers with `wake_by`. The store sets `timeout_seconds` and
    `sync` (fsync before a write is acknowledged); `most_pending_bytes` is set before the writes are
    paced.
    """

    def __init__(self, clock: Clock, monotonic: Clock = time.monotonic) -> None:
        """`clock` dates entries; `monotonic` measures waits, whatever becomes of the wall clock."""
        self.clock = clock
        self.monotonic = monotonic
        self._wake: Callable[[], None] = _unheard
        self._on_answers: Callable[[list[tuple[Asked, Answer]]], None] = _unheard
        self._on_status: Callable[[Status, bool], None] = _unheard
        self._on_evicted: Callable[[list[bytes]], None] = _unheard
        self._on_touches: Callable[[list[tuple[bytes, int]]], None] = _unheard
        self.timeout_seconds = 1.0
        self.sync = False
        self.state = OPENING
        self.started = False  # whether L3 has been open or given up since the start
        self.epoch = 1  # increases when L3 was emptied, which invalidates `on_disk` of entries
        self.status: Status | None = None
        self.pending: dict[bytes, Pending] = {}
        self.invalidating = 0  # invalidations that are pending, and older writes before them
        self._unacked: deque[Pending] = deque()  # in order; the first `_sent` are with the child
        self._sent = 0
        self._group = self._groups = 0
        self._pending_bytes = 0
        self.most_pending_bytes = MAX_PENDING_BYTES  # where writes are not paced
        self._most_pending_bytes = MAX_PENDING_BYTES
        self._allowance: Allowance | None = None  # where writes are paced
        self._reads: deque[Asked] = deque()  # sent, in order
        self._reads_out: deque[Asked] = deque()  # not sent yet
        self._calls: deque[Callable[[Page | None], None]] = deque()
        self._rewrites: deque[Callable[[bool | None], None]] = deque()
        self._calls_out: deque[wire.Call] = deque()
        self._reading, self._writing = Crowd(), Crowd()
        self._touches: dict[bytes, int] = {}
        self._touched_at = 0.0
        self._waiting_for_room: deque[Callable[[], None]] = deque()
        self.missed = Missed()
        self.handing_over = 0  # writes that L3 missed, and has not acknowledged: the first ones
        self.recording = False  # what is missed is recorded on the volume before it is answered
        self._unrecorded: deque[Unrecorded] = deque()  # in order
        self._wake_recorder: Callable[[], None] = _unheard

    # ---- called by the store

    def deliver_to(
        self,
        *,
        on_answers: Callable[[list[tuple[Asked, Answer]]], None],
        on_status: Callable[[Status, bool], None],
        on_evicted: Callable[[list[bytes]], None],
        on_touches: Callable[[list[tuple[bytes, int]]], None],
    ) -> None:
        """Call `on_answers` with the answers to reads, each read once, those of a reply together;
        `on_status` with each status, and whether it is the first of a new child, before anything is
        sent; `on_evicted` with the keys that L3 has evicted; `on_touches` with the hits that were
        recorded since the last time.
        """
        self._on_answers = on_answers
        self._on_status = on_status
        self._on_evicted = on_evicted
        self._on_touches = on_touches

    def read(self, read: Asked) -> None:
        """Read a key that is not pending. Answered at once if L3 is not up."""
        if self.state is not UP or self._reads_waiting >= MAX_READS:
            self._on_answers([(read, UNANSWERED)])
            return
        read.asked_at = self.monotonic()
        self._reads_out.append(read)
        self._wake()

    def write(self, write: Write, entry: Entry | None, on_ack: OnAck | None = None) -> None:
        """Issue a write; never when `down`. It is pending until acknowledged."""
        size = len(write.value) if isinstance(write, Put) else 0
        pending = Pending(write, size, entry, self.monotonic(), on_ack, self._group)
        self._unacked.append(pending)
        self._pending_bytes += size
        if isinstance(write, OF_A_KEY):
            self.pending[write.key] = pending
        elif not isinstance(write, Renew):
            self.invalidating += 1
        if self.state is UP:
            self._wake()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Writes that are issued within are one batch in L3, if they fit a frame: a kill leaves all
        of them or none.
        """
        around = self._group
        if not around:
            self._groups += 1
            self._group = self._groups
        try:
            yield
        finally:
            self._group = around

    def miss(self, write: Write, on_ack: OnAck) -> None:
        """Note a write that only memory has; always when `down`. It is acknowledged with None, when
        it is recorded on the volume if that is possible.
        """
        is_news = self.missed.add(write)
        if self.recording and (is_news or self._unrecorded):
            self._unrecorded.append(Unrecorded(self.monotonic(), on_ack))
            self._wake_recorder()
        else:
            _tell(on_ack, None)

    def hand_over(self, writes: Iterable[Write]) -> None:
        """Let L3, which is back, have what it missed, before any read, and on the disk."""
        self.missed.clear()
        for write in writes:
            self.handing_over += 1
            self.write(write, None)

    def touch(self, key: bytes) -> None:
        """Record a hit in memory, for the order of eviction in L3."""
        touches = self._touches
        if key in touches:
            touches[key] += 1
        elif len(touches) < MAX_TOUCHES:
            touches[key] = 1

    def drop_touches(self) -> None:
        """Report hits that L3 does not hear of, since it is not up."""
        now = self.monotonic()
        if self.state is not UP and self.touches_due(now):
            self._take_touches(now)

    def list_keys(
        self, scope: bytes, cursor: bytes, limit: int, on_page: Callable[[Page | None], None]
    ) -> None:
        """A page of L3's keys below `scope`, from `cursor` on; None if L3 is not up."""
        if self.state is not UP:
            on_page(None)
            return
        self._calls.append(on_page)
        self._calls_out.append(wire.ListKeys(scope, cursor, limit))
        self._wake()

    def rewrite(self, on_begun: Callable[[bool | None], None]) -> None:
        """Start a rewrite of L3's tables. False if one is in progress; None if L3 is not up."""
        if self.state is not UP:
            on_begun(None)
            return
        self._rewrites.append(on_begun)
        self._calls_out.append(wire.Rewrite())
        self._wake()

    def configure(self, score: str, max_entries: int, max_bytes: int, pace: float) -> None:
        """The limits of L3 from the next write on, and the pace of its sweep (see `Store.pace`).

        `score` is the import path of its policy's score.
        """
        if self.state is UP:
            self._calls_out.append(wire.Configure(score, max_entries, max_bytes, pace))
            self._wake()

    def pace_writes(self, bytes_per_second: float) -> None:
        """Limit the rate of values, and the queue to what can be sent in time; `inf`: no limit.

        Deletes and invalidations do not count, but keep their place in the order.
        """
        if math.isinf(bytes_per_second):
            self._allowance = None
        elif self._allowance is None or self._allowance.bytes_per_second != bytes_per_second:
            self._allowance = Allowance(bytes_per_second, self.monotonic())
        self._most_pending_bytes = pending_bytes(
            bytes_per_second, self.timeout_seconds, self.most_pending_bytes
        )
        self._give_room()
        self._wake()

    @property
    def writes_wait(self) -> bool:
        """Whether writes may be waiting only for their allowance."""
        return self._allowance is not None and len(self._unacked) > self._sent

    @property
    def accepts(self) -> bool:
        """Whether a write may be issued now: L3 has been open or was given up, and has room."""
        return self.started and not self.full

    @property
    def accepts_at_once(self) -> bool:
        """Whether a write may be issued now without overtaking one that waits for room."""
        # `accepts` inlined: every write asks this.
        return (
            self.started
            and not self._waiting_for_room
            and len(self._unacked) < MAX_PENDING_WRITES
            and self._pending_bytes < self._most_pending_bytes
        )

    @property
    def full(self) -> bool:
        """Whether the pending writes have reached their limit."""
        return (
            len(self._unacked) + len(self._unrecorded) >= MAX_PENDING_WRITES
            or self._pending_bytes >= self._most_pending_bytes
        )

    def refuses_read(self) -> bool:
        """Whether as many reads wait as can be answered in time: one more is to be refused."""
        return self._reading.is_full(self._reads_waiting)

    def refuses_write(self, *, until_applied: bool) -> bool:
        """The same of writes, which wait for room, or until L3 has applied them."""
        waiting = len(self._waiting_for_room)
        if until_applied:
            waiting += len(self._unacked)
        return self._writing.is_full(waiting)

    def when_room(self, resume: Callable[[], None]) -> None:
        """Call `resume` when there is room again, in order of the calls."""
        self._waiting_for_room.append(resume)

    @property
    def idle(self) -> bool:
        """Whether L3 has answered everything."""
        return not (self._unacked or self._reads or self._reads_out or self._calls)

    @property
    def _reads_waiting(self) -> int:
        return len(self._reads) + len(self._reads_out)

    @property
    def waiting(self) -> int:
        """The number of reads and writes that L3 has not answered."""
        return len(self._unacked) + self._reads_waiting

    # ---- called by the link

    def wake_by(self, wake: Callable[[], None]) -> None:
        """Call `wake` when there is something to `take`."""
        self._wake = wake

    def take(self, *, at_once: bool = False) -> wire.Pieces | None:
        """The next frame to send; None if there is nothing to send.

        While the child is busy, operations are collected until as many wait as are in flight.
        Otherwise a child that keeps up would receive frames of one operation, whose overhead equals
        the lookup itself. `at_once` does not wait for more writes: for the last frames.
        """
        if self.state is not UP:
            return None
        reads_out, writes_out = len(self._reads_out), len(self._unacked) - self._sent
        reads = self._next_reads() if reads_out and reads_out >= len(self._reads) else []
        writes_due = writes_out and (at_once or writes_out >= self._sent)
        writes, joined = self._next_writes() if writes_due else ([], [])
        now = self.monotonic()
        touches = self._due_touches(now) if self._touches else []
        call = self._calls_out.popleft() if self._calls_out else None
        if not (reads or writes or touches or call):
            return None
        deadline = now + self.timeout_seconds
        return wire.framed_request(
            wire.Request(self.clock(), deadline, self._syncs, reads, writes, touches, call, joined)
        )

    def feed(self, reply: wire.Reply) -> None:
        """Process a reply: answers to reads, then acknowledgements, then evicted keys."""
        now = self.monotonic()
        if reply.reads:
            asked = [self._reads.popleft() for _ in reply.reads]
            self._reading.answered(now - asked[-1].asked_at, self._reads_waiting, now)
            self._on_answers(
                [
                    (read, UNANSWERED if answer == LATE else answer)
                    for read, answer in zip(asked, reply.reads, strict=True)
                    if not read.answered
                ]
            )
        if reply.writes:
            self._writing.wait_seconds = SYNCED_WAIT_SECONDS if self._syncs else WAIT_SECONDS
            self._writing.answered(now - self._unacked[0].issued_at, len(self._unacked), now)
        for effect in reply.writes:
            self._acknowledge(effect)
        if reply.evicted:
            self._on_evicted(reply.evicted)
        if reply.page is not None:
            self._calls.popleft()(reply.page)
        if reply.rewrite is not None:
            self._rewrites.popleft()(reply.rewrite)
        if reply.status is not None:
            self._take_status(reply.status)
        if reply.writes:
            self._give_room()

    def expire(self, now: float) -> int:
        """Answer reads and writes that have timed out at `now`, of the monotonic clock; returns the
        number of reads.

        Late answers to these reads are ignored; these writes stay pending.
        """
        expired: list[tuple[Asked, Answer]] = []
        for reads in (self._reads, self._reads_out):
            for read in reads:
                if read.asked_at + self.timeout_seconds > now:
                    break
                if not read.answered:
                    read.answered = True
                    expired.append((read, UNANSWERED))
        self._on_answers(expired)
        overdue = takewhile(
            lambda pending: pending.issued_at + self.timeout_seconds <= now, self._unacked
        )
        for pending in list(overdue):  # who is told may write more
            if pending.on_ack is not None:
                on_ack, pending.on_ack = pending.on_ack, None
                _tell(on_ack, UNANSWERED)
        if self._unrecorded and self._unrecorded[0].issued_at + self.timeout_seconds <= now:
            self.recorded(len(self._unrecorded), recording=False)  # the volume does not answer
        return len(expired)

    def lost(self) -> None:
        """The child has exited. Writes stay pending, to be sent again in order before any read."""
        if self.state is UP:
            self.state = OPENING
        self._sent = 0
        self._calls_out.clear()
        reads = [*self._reads, *self._reads_out]
        self._reads.clear()
        self._reads_out.clear()
        calls: list[Callable[[None], None]] = [*self._calls, *self._rewrites]
        self._calls.clear()
        self._rewrites.clear()
        self._on_answers([(read, UNANSWERED) for read in reads if not read.answered])
        for on_answer in calls:
            on_answer(None)

    def give_up(self, *, recording: bool = False) -> None:
        """L3 is unavailable: from now on only memory takes writes, and L3 misses them. `recording`
        is whether somebody records them, see `record_by`.
        """
        self.lost()
        self.state = DOWN
        self.started = True
        self.handing_over = 0
        self.recording = recording
        self.status = None
        self.pending.clear()
        self.invalidating = 0
        dropped = list(self._unacked)
        self._unacked.clear()
        self._pending_bytes = 0
        for pending in dropped:
            self.miss(pending.write, pending.on_ack or _unheard)
        self._give_room()

    # ---- called by the recorder

    def record_by(self, wake: Callable[[], None]) -> None:
        """Call `wake` when something has been missed that is to be recorded."""
        self._wake_recorder = wake

    @property
    def unrecorded(self) -> int:
        """The number of missed writes that wait to be answered until they are recorded."""
        return len(self._unrecorded)

    def recorded(self, count: int, *, recording: bool) -> None:
        """The first `count` of them are recorded, or nobody can, if `recording` is False."""
        self.recording = recording
        for _ in range(min(count, len(self._unrecorded))):
            _tell(self._unrecorded.popleft().on_ack, None)
        self._give_room()

    # ---- inside

    @property
    def _syncs(self) -> bool:
        """Whether writes are fsynced."""
        return self.sync or self.handing_over > 0

    def _take_status(self, status: Status) -> None:
        hello = self.state is not UP
        self.status = status
        if hello:
            if status.gone or status.wiped:
                self.epoch += 1
            if status.wiped:
                self.missed.clear()
            self.state = UP
            self.started = True
        self._on_status(status, hello)
        if hello:
            self._wake()
            self._give_room()

    def _next_reads(self) -> list[bytes]:
        """Keys to read, up to the size of a frame."""
        count = min(len(self._reads_out), wire.MAX_FRAME_READS)
        reads = [self._reads_out.popleft() for _ in range(count)]
        self._reads.extend(reads)
        return [read.key for read in reads]

    def _next_writes(self) -> tuple[list[Write], list[int]]:
        """Writes for the child, up to the size of a frame, and which of them are joined."""
        writes: list[Write] = []
        joined: list[int] = []
        size, most = 0, float(wire.MAX_FRAME_BYTES)
        if self._allowance is not None:
            most = min(most, self._allowance.left(self.monotonic()))
            if most <= 0:
                return writes, joined
        first, before = self._unacked[self._sent].group, 0
        for pending in islice(self._unacked, self._sent, self._sent + wire.MAX_FRAME_WRITES):
            group = pending.group
            # An allowance divides no group: it is exceeded, and what comes later waits for that.
            limit = wire.MAX_FRAME_BYTES if group and group == first else most
            if writes and size + pending.size > limit:
                break
            if group and group == before:
                joined.append(len(writes))
            before = group
            size += pending.size
            writes.append(pending.write)
        size -= self._drop_begun_group(writes)
        if self._allowance is not None:
            self._allowance.spend(size)
        self._sent += len(writes)
        return writes, [at for at in joined if at < len(writes)] if joined else joined

    def _drop_begun_group(self, writes: list[Write]) -> int:
        """Leave a group of which some writes do not fit to the next frame, unless it is alone in
        this one. Returns the bytes that were dropped.
        """
        end = self._sent + len(writes)
        if not writes or end == len(self._unacked):
            return 0
        group, dropped, size = self._unacked[end].group, 0, 0
        while group and dropped < len(writes):
            pending = self._unacked[end - 1 - dropped]
            if pending.group != group:
                break
            dropped += 1
            size += pending.size
        if dropped in {0, len(writes)}:
            return 0
        del writes[-dropped:]
        return size

    def touches_due(self, now: float) -> bool:
        return bool(self._touches) and now - self._touched_at >= TOUCH_SECONDS

    def _due_touches(self, now: float) -> list[tuple[bytes, int]]:
        if not self.touches_due(now) and len(self._touches) < MAX_TOUCHES:
            return []
        return self._take_touches(now)

    def _take_touches(self, now: float) -> list[tuple[bytes, int]]:
        self._touched_at = now
        touches = list(self._touches.items())
        self._touches.clear()
        self._on_touches(touches)
        return touches

    def _acknowledge(self, effect: int) -> None:
        pending = self._unacked.popleft()
        self._sent -= 1
        self._pending_bytes -= pending.size
        write = pending.write
        if isinstance(write, OF_A_KEY):
            if self.pending.get(write.key) is pending:
                del self.pending[write.key]
        elif not isinstance(write, Renew):
            self.invalidating -= 1
        if self.handing_over:
            self.handing_over -= 1
            if not self.handing_over:
                self._wake_recorder()
        if pending.entry is not None and effect != REFUSED:
            pending.entry.on_disk = self.epoch
        if pending.on_ack is not None:
            _tell(pending.on_ack, effect)

    def _give_room(self) -> None:
        while self._waiting_for_room and self.accepts:
            self._waiting_for_room.popleft()()


def _tell(on_ack: OnAck, ack: Ack) -> None:
    """Pass an acknowledgement on. An error ends here, since others are due."""
    try:
        on_ack(ack)
    except Exception:
        log.exception("An acknowledgement from L3 could not be passed on")


def _unheard(*_: object) -> None:
    """For a callback that is not subscribed yet."""


def entry_of(key: bytes, row: Row, epoch: int) -> Entry | None:
    """The entry for a row of L3 in this epoch; None if it is not what was put."""
    try:
        record = wire.decode_record(row)
    except wire.UNDECODABLE:
        return None
    if record.checksum and record.checksum != checksum_of(key, record):
        return None
    value = record.value
    try:
        terms = stored_terms(record.terms)
    except wire.UNDECODABLE:
        return None
    return Entry(
        key=key,
        value=value if len(value) == record.size else Packed(value, record.size),
        content_type=record.content_type,
        seq=record.seq,
        times=complex(record.created_at, record.gone_at),
        on_disk=epoch,
        terms=terms,
    )


def put_of(entry: Entry) -> Put:
    """The write that stores an entry in L3 in its current form, packed or not."""
    value, times = entry.value, entry.times
    stored, size = (value, len(value)) if isinstance(value, bytes) else (value.frame, value.size)
    put = Put(entry.key, entry.seq, times.real, times.imag, entry.content_type, size, stored)
    if entry.terms is not None:
        put.terms = entry.terms.bytes
    put.checksum = checksum_of(entry.key, put)
    return put
