"""The child process: frames in, replies out, and the tier's own work in between.

`python -m sidecar.l3 FD DATA_DIR DATA_LIMIT|- stale|-` serves the socket FD and ends when its other
end is gone, having applied what was sent. It ignores SIGTERM and SIGINT: the sidecar decides when
it ends. One thread does everything that has an order; only a rewrite of the tables runs beside it.
"""

from __future__ import annotations

import ctypes
import os
import random
import select
import signal
import socket
import sys
import time
from collections import deque
from pathlib import Path

from sidecar.l3 import wire
from sidecar.l3.engine import Engine, in_chunks
from sidecar.l3.opening import FOLDER, OpenError, is_corruption, open_database, quarantine
from sidecar.l3.space import Space, most_live_bytes

SLICE_SECONDS = 0.005
STATUS_SECONDS = 1.0
NEWS_SECONDS = 0.05
"""How soon the sidecar hears of a change in what L3 holds."""
LOOK_BYTES = 4 << 20
"""How much is written before the folder is measured again, whatever the time."""
SWEEP_PAUSE_SECONDS = 60.0
RECEIVE_BYTES = 1 << 18
HELD_REQUESTS = 64
"""Requests whose writes wait for room; beyond it the socket is left unread."""

_PR_SET_PDEATHSIG = 1


class Child:
    """Serves one socket from one engine until it closes."""

    def __init__(
        self, connection: socket.socket, engine: Engine, space: Space, wiped: bool
    ) -> None:
        self._socket = connection
        self._engine = engine
        self._space = space
        self._wiped = wiped
        self._unframer = wire.Unframer()
        self._held: deque[wire.Request] = deque()
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._now_offset = time.time() - time.monotonic()
        self._written = LOOK_BYTES
        self._last_status = 0.0
        self._last_slice = 0.0
        self._next_sweep = 0.0
        self._news = False  # whether L3 has changed since the last status
        self._closing = False

    def run(self) -> None:
        self._look()
        self._tell()
        while not self._closing:
            if self._readable():
                data = self._socket.recv(RECEIVE_BYTES)
                if not data:
                    break
                for payload in self._unframer.feed(data):
                    self._handle(wire.decode_request(payload))
            self._between_frames()
        self._space.slowed = False
        self._release()

    # ---- frames

    def _readable(self) -> bool:
        if len(self._held) >= HELD_REQUESTS:
            time.sleep(SLICE_SECONDS)
            return False
        busy = self._held or self._engine.over() or time.monotonic() >= self._next_sweep
        idle_seconds = NEWS_SECONDS if self._news else STATUS_SECONDS
        return bool(self._poll.poll(1 if busy else idle_seconds * 1000))

    def _handle(self, request: wire.Request) -> None:
        self._now_offset = request.now - time.monotonic()
        if request.reads:
            self._read(request)
        match request.call:
            case wire.Configure():
                self._engine.configure(request.call)
            case wire.ListKeys():
                page = self._engine.page(request.call, request.now)
                self._reply(wire.Reply([], [], [], page=page))
            case wire.Close():
                self._closing = True
            case None:
                pass
        if request.writes or request.touches:
            self._held.append(request)
            self._release()

    def _read(self, request: wire.Request) -> None:
        for keys in in_chunks(request.reads, self._engine.reads_at_once()):
            if self._now() > request.deadline:
                self._reply(wire.Reply([wire.LATE] * len(keys), [], []))
            else:
                self._reply(wire.Reply(self._engine.read(keys), [], []))

    def _release(self) -> None:
        """Apply the writes that wait, in order, while there is room for them."""
        while self._held and not self._space.slowed:
            request = self._held.popleft()
            answers, evicted = self._engine.write(
                request.writes, request.touches, self._now(), sync=request.sync
            )
            self._news = True
            if answers:
                self._reply(wire.Reply([], answers, evicted))
            self._written += sum(
                len(write.value) for write in request.writes if isinstance(write, wire.Put)
            )
            if self._written >= LOOK_BYTES:
                self._look()

    def _reply(self, reply: wire.Reply) -> None:
        self._socket.sendall(wire.framed(wire.encode_reply(reply)))

    def _now(self) -> float:
        return time.monotonic() + self._now_offset

    # ---- work of its own

    def _between_frames(self) -> None:
        now = time.monotonic()
        if now - self._last_slice >= SLICE_SECONDS:
            self._work(now + SLICE_SECONDS)
            self._last_slice = time.monotonic()
        if now - self._last_status >= (NEWS_SECONDS if self._news else STATUS_SECONDS):
            self._look()
            self._tell()
        elif self._held:
            self._look()
            self._release()

    def _work(self, until: float) -> None:
        """One slice: first under the limits, then the sweep."""
        while time.monotonic() < until:
            if self._engine.over():
                evicted = self._engine.drain(self._now())
                if evicted:
                    self._reply(wire.Reply([], [], evicted))
            elif time.monotonic() >= self._next_sweep:
                if self._engine.sweep(self._now()):
                    hurry = self._engine.invalidations
                    self._next_sweep = time.monotonic() + (0 if hurry else SWEEP_PAUSE_SECONDS)
            else:
                return

    def _look(self) -> None:
        self._written = 0
        self._space.look(self._engine.used_bytes)
        if self._space.error is not None:
            raise self._space.error

    def _tell(self) -> None:
        self._last_status = time.monotonic()
        self._news = False
        engine = self._engine
        self._reply(
            wire.Reply(
                [],
                [],
                [],
                status=wire.Status(
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
                ),
            )
        )


def main(descriptor: int, data_dir: Path, data_limit: int | None, *, stale: bool) -> int:
    """Serve until the other end is gone. Status 0; 1 after a fault, which was told before.

    `stale`: L3 has missed writes, whether or not the volume has the mark that says so.
    """
    _end_with_parent()
    connection = socket.socket(fileno=descriptor)
    try:
        database, wiped = open_database(data_dir, stale=stale)
    except OpenError as error:
        return _fault(connection, error.reason, str(error))
    space = Space(data_dir / FOLDER, database, data_limit)
    try:
        engine = Engine(database, random.Random())  # noqa: S311  (a sample, no secret)
        if data_limit is not None:
            engine.cap(most_live_bytes(data_limit))
        Child(connection, engine, space, wiped=wiped).run()
        space.close()
        database.close()
    except (BrokenPipeError, ConnectionResetError):
        return 0
    except Exception as error:  # noqa: BLE001  (RocksDB raises nothing narrower; told to the sidecar)
        if is_corruption(error):
            quarantine(data_dir)
            return _fault(connection, "corrupt", f"{error}; put aside, starting empty")
        reason = "full" if "No space left" in str(error) else "failed"
        return _fault(connection, reason, str(error))
    return 0


def _fault(connection: socket.socket, reason: str, message: str) -> int:
    connection.sendall(
        wire.framed(wire.encode_reply(wire.Reply([], [], [], fault=(reason, message))))
    )
    return 1


def _end_with_parent() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    fd, folder, limit, staleness = sys.argv[1:]
    status = main(
        int(fd), Path(folder), None if limit == "-" else int(limit), stale=staleness == "stale"
    )
    sys.stdout.flush()
    os._exit(status)  # a thread of RocksDB that waits for a slow disk must not hold the exit up
