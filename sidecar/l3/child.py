"""The loop of the child process: frames in, replies out, and background work in between.

One thread does everything that has an order; only a rewrite of the tables runs in parallel. Reads
are answered as they arrive. Writes wait in order if the folder has no room for them, or if much has
to be evicted first, and reads overtake them: the sidecar does not read a key with a pending write.

One file of more than 300 lines, so that one turn of the loop can be read from start to end.
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from sidecar.l3 import wire
from sidecar.l3.engine import Engine
from sidecar.l3.space import Space
from sidecar.l3.sweeping import Sweeping
from sidecar.l3.touching import Touching
from sidecar.model.answers import ABSENT, LATE, Status

SLICE_SECONDS = 0.005
BUSY_SECONDS = 0.001
"""How long to wait for a frame while there is other work."""
STATUS_SECONDS = 1.0
NEWS_SECONDS = 0.05
"""How soon a change in the contents of L3 is reported to the sidecar."""
LOOK_BYTES = 4 << 20
"""The bytes written or dropped after which the folder is measured again, whatever the time."""
LOOK_REST = 99
"""The pause after measuring the folder, as a multiple of its duration, which is 7 ms for 1,500
files. A status in between has the size as last measured."""
RECEIVE_BYTES = 1 << 18
HELD_BYTES = 64 << 20
"""The most waiting writes; beyond it the socket is not read. The sidecar sends fewer anyway."""
CLOSING_SECONDS = 2.0
"""How long a closing child waits for room for its remaining writes."""


class SidecarClock:
    """The sidecar's wall clock, derived from its frames.

    A frame has the time when it was sent, which may be long ago if this process was busy, but not
    before the socket was last empty. So the offset between the clocks is kept while it lies within
    these two bounds, and is otherwise moved to the nearer one: a wall clock that was set back is
    followed once the socket has been empty.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset = time.time() - monotonic()
        self._emptied_at = monotonic()

    def __call__(self) -> float:
        return self._monotonic() + self._offset

    def heard(self, sent_at: float, received_at: float) -> None:
        """Record a frame that was sent at `sent_at` on the sidecar's clock."""
        least = sent_at - received_at
        most = sent_at - self._emptied_at
        self._offset = min(max(self._offset, least), most)

    def emptied(self, at: float) -> None:
        """Record that the socket is empty."""
        self._emptied_at = at


class Child:
    """Serves one socket from one engine until it closes."""

    def __init__(
        self,
        connection: socket.socket,
        engine: Engine,
        space: Space,
        *,
        wiped: bool,
        gone: str = "",
    ) -> None:
        self._socket = connection
        self._engine = engine
        self._space = space
        self._wiped = wiped
        self._gone = gone
        self._buffer = memoryview(bytearray(RECEIVE_BYTES))
        self._unframer = wire.Unframer()
        self._clock = SidecarClock()
        self._held: deque[wire.Request] = deque()  # their writes, in order
        self._held_bytes = 0
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._noted_bytes = 0  # written and dropped, as last noted
        self._looked_bytes = 0  # the same when the folder was measured
        self._look_due = 0.0
        self._has_told = False  # of what it has found
        self._last_status = 0.0
        self._last_slice = 0.0
        self._sweeping = Sweeping()
        self._touching = Touching()
        self._news = False  # whether L3 has changed since the last status
        self._closing = False
        self._deaf = False  # the peer has closed; what it sent before is still to be read

    def run(self) -> None:
        """Run until the peer closes or sends `Close`; what was sent until then is applied."""
        self._look()
        self._tell()
        while not self._closing:
            if self._readable():
                data = self._receive()
                received_at = time.monotonic()
                if not data:
                    break
                for payload in self._unframer.feed(data):
                    request, size = wire.decode_request(payload), len(payload)
                    del payload  # a large frame is freed before its copy is written
                    self._clock.heard(request.now, received_at)
                    self._handle(request, size)
                if len(data) < RECEIVE_BYTES:
                    self._clock.emptied(received_at)
            self._between_frames()
        self._finish()

    # ---- frames

    def _readable(self) -> bool:
        if self._held_bytes >= HELD_BYTES:
            time.sleep(SLICE_SECONDS)
            return False
        return bool(self._poll.poll(self._idle_seconds() * 1000))

    def _idle_seconds(self) -> float:
        """How long to wait for a frame: until other work is due."""
        if self._held or self._engine.over():
            return BUSY_SECONDS
        due = self._sweeping.due(pays=self._engine.sweep_pays, wanted=self._engine.tags_crowded)
        if not self._space.slowed:
            due = min(due, self._touching.due())
        most = NEWS_SECONDS if self._news else STATUS_SECONDS
        return max(BUSY_SECONDS, min(most, due - time.monotonic()))

    def _receive(self) -> memoryview:
        try:
            size = self._socket.recv_into(self._buffer)
        except ConnectionResetError:  # closed before it read all replies
            size = 0
        return self._buffer[:size]

    def _handle(self, request: wire.Request, size: int) -> None:
        if request.reads:
            self._read(request)
        if request.call is not None:
            self._call(request.call, request.now)
        for key, hits in request.touches:
            self._touching.add(key, hits)
        if request.writes:
            self._held.append(request)
            self._held_bytes += size
            self._release()

    def _call(self, call: wire.Call, now: float) -> None:
        match call:
            case wire.Configure():
                self._engine.configure(call)
                self._sweeping.pace = call.pace
            case wire.ListKeys():
                self._reply(wire.Reply([], [], [], page=self._engine.page(call, now)))
            case wire.Rewrite():
                begun = self._space.rewrite(self._engine.dropped_bytes)
                self._reply(wire.Reply([], [], [], rewrite=begun))
            case wire.Close():
                self._closing = True

    def _read(self, request: wire.Request) -> None:
        for keys in self._engine.in_chunks(request.reads):
            if time.monotonic() > request.deadline:
                self._reply(wire.Reply([LATE] * len(keys), [], []))
                continue
            rows = self._engine.read(keys)
            for key, row in zip(keys, rows, strict=True):
                if row is not None:
                    self._touching.add(key, 1)
            self._answer(rows)

    def _answer(self, rows: list[bytes | None]) -> None:
        """Send records in few replies; a large one in one of its own, after which it is freed."""
        answers: list[Any] = []  # encoded alike, be they views or bytes
        size = 0
        rows.reverse()
        while rows:
            row = rows.pop()
            length = 0 if row is None else len(row)
            if answers and (length > wire.LARGE_BYTES or size + length > wire.MAX_FRAME_BYTES):
                self._reply(wire.Reply(answers, [], []))
                answers, size = [], 0
            if row is not None and length > wire.LARGE_BYTES:
                self._send(wire.framed_row(row))
                continue
            answers.append(ABSENT if row is None else row)
            size += length
        if answers:
            self._reply(wire.Reply(answers, [], []))

    def _release(self) -> None:
        """Apply waiting writes in order, while there is room for them."""
        engine = self._engine
        while self._held and not self._space.slowed:
            request = self._held[0]
            # Dead bytes lower the folder's limit, so no more may die at once than it has room for.
            room = self._space.room(engine.used_bytes)
            count = end_of_batch(request, engine.entries_in(room))
            if not count:
                if self._space.makes_room(engine.dropped_bytes):
                    return
                count = engine.entries_in(room)  # more of L3 is replaced than a rewrite gives back
            writes, rest = request.writes[:count], request.writes[count:]
            if engine.crowded(writes, self._held_bytes):
                return
            answers, evicted = engine.write(
                writes, self._clock(), sync=request.sync, most_bytes=room
            )
            if answers:
                self._reply(wire.Reply([], answers, evicted))
            if rest:
                request.writes = rest
                request.joined = [at - count for at in request.joined if at > count]
            else:
                self._held.popleft()
                if not self._held:
                    self._held_bytes = 0
            self._note_changes()

    def _reply(self, reply: wire.Reply) -> None:
        self._send((wire.framed(wire.encode_reply(reply)),))

    def _send(self, frame: wire.Pieces) -> None:
        if self._deaf:
            return
        try:
            for piece in frame:
                self._socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            self._deaf = True

    # ---- background work

    def _between_frames(self) -> None:
        now = time.monotonic()
        if now - self._last_slice >= SLICE_SECONDS:
            if self._held and now >= self._look_due:
                self._look()
            self._release()
            self._touch()
            self._work(now + SLICE_SECONDS)
            self._last_slice = time.monotonic()
        if now - self._last_status >= (NEWS_SECONDS if self._news else STATUS_SECONDS):
            if now >= self._look_due:
                self._look()
            self._tell()

    def _touch(self) -> None:
        began = time.monotonic()
        if began >= self._touching.due() and not self._space.slowed:
            self._engine.touch(self._touching.take(), self._clock())
            self._note_changes()
            self._touching.touched(began, time.monotonic())

    def _work(self, until: float) -> None:
        """One slice: first make room for waiting writes, then get under the limits, then sweep."""
        engine = self._engine
        while not self._space.slowed and time.monotonic() < until:
            room = self._space.room(engine.used_bytes)
            incoming = 0
            if self._held:
                incoming = engine.crowded(self._held[0].writes, self._held_bytes)
            if incoming or engine.over():
                evicted = engine.drain(self._clock(), incoming, room)
                if evicted:
                    self._reply(wire.Reply([], [], evicted))
            elif time.monotonic() >= self._sweeping.due(
                pays=engine.sweep_pays, wanted=engine.tags_crowded
            ):
                began = time.monotonic()
                at_end = engine.sweep(self._clock(), room)
                self._sweeping.swept(began, time.monotonic(), at_end=at_end)
            else:
                return
            self._note_changes()

    def _note_changes(self) -> None:
        changed = self._engine.changed_bytes
        if changed != self._noted_bytes:
            self._noted_bytes = changed
            self._news = True
            if changed - self._looked_bytes >= LOOK_BYTES:
                self._look()

    def _look(self) -> None:
        self._looked_bytes = self._engine.changed_bytes
        began = time.monotonic()
        self._space.look(self._engine.used_bytes, self._engine.dropped_bytes)
        ended = time.monotonic()
        self._look_due = ended + look_pause(ended - began)

    def _finish(self) -> None:
        """Apply the remaining writes, if the folder has room for them in time."""
        give_up = time.monotonic() + CLOSING_SECONDS
        while self._held and time.monotonic() < give_up:
            self._last_slice = 0.0
            self._between_frames()
            if self._space.slowed:
                time.sleep(SLICE_SECONDS)

    def _tell(self) -> None:
        self._last_status = time.monotonic()
        self._news = False
        engine = self._engine
        engine.note_flushes()
        status = Status(
            entries=engine.entries,
            used_bytes=engine.used_bytes,
            evictions=engine.evictions,
            expirations=engine.expirations,
            folder_bytes=self._space.used_bytes,
            pending_compaction_bytes=engine.pending_compaction_bytes(),
            max_seq=engine.max_seq,
            invalidations=engine.invalidations,
            slowed=self._space.slowed,
            wiped=self._wiped,
            damaged=engine.damaged,
            gone=self._gone,
            largest=engine.largest,
            softened=[] if self._has_told else engine.softened,
            invalidation_bytes=engine.invalidation_bytes,
        )
        self._has_told = True
        self._reply(wire.Reply([], [], [], status=status))


def end_of_batch(request: wire.Request, most: int) -> int:
    """How many of its writes to apply at once, up to `most`, so that none is divided from what it
    is joined with; 0 if the first ones that are joined are more.
    """
    if most >= len(request.writes):
        return len(request.writes)
    joined = set(request.joined)
    while most in joined:
        most -= 1
    return most


def look_pause(took_seconds: float) -> float:
    """How long the size of the folder may go unmeasured, given how long the last time took."""
    return min(max(SLICE_SECONDS, LOOK_REST * took_seconds), STATUS_SECONDS)
