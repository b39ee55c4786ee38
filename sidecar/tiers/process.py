"""The child process that runs L3: starts it, watches it, kills it, and restarts it.

A watchdog checks progress, not speed. A child on a disk that takes 200 ms for every read is slow
but alive: its counters of I/O and CPU time increase. A child that owes an answer and makes no
progress is killed with SIGKILL, which is safe thanks to RocksDB's log.

One class of more than 300 lines, since the child's life decides what becomes of its socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from sidecar.config.memory import MOST_BUFFERS_BYTES
from sidecar.l3 import wire
from sidecar.l3.folder import FOLDER, explain, in_use
from sidecar.process.claim import Claim
from sidecar.tiers.disk import DOWN, OPENING, UP, Disk
from sidecar.tiers.recorder import Recorder

TICK_SECONDS = 0.05
"""How often overdue reads are answered, and touches and paced writes are sent."""
STUCK_SECONDS = 10.0
"""How long a child that owes an answer may make no progress."""
QUIET_SHARE = 0.2
"""The fraction of that time after which its counters are read."""
BACKOFF_SECONDS = (0.0, 0.2, 1.0, 5.0, 15.0)
"""The waits before restarts: none after a single crash, longer ones in a crash loop. The last one
is repeated for ever."""
STARTS_BEFORE_GIVING_UP = 3
OPEN_SECONDS = 5.0
"""How long requests wait for L3 to open, before the sidecar goes on without it."""
CLAIM_SECONDS = 0.5
"""How often to try again to claim a folder that is in use."""
CALM_SECONDS = 60.0
"""A child that ran this long resets the back-off."""
LAST_WORDS_SECONDS = 0.5
END_SECONDS = 2.0
"""How long to wait for a child that was killed."""
CLOSE_SECONDS = 0.7
"""How long a stop waits for RocksDB to flush its memtables, whose contents are also in its log."""

ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": str(128 << 10)}
"""The child's environment: RocksDB's threads share heaps, and memory freed by a compaction is
returned. With a fixed trim threshold, glibc also maps every block of that size, so no frequent
allocation may be that large."""

OPENS_SLOWLY = f"opening takes longer than {OPEN_SECONDS:g} s; memory serves meanwhile"
OFF = "disabled by tiers.l3.enabled, or a limit of memory or data leaves no room for it"

log = structlog.get_logger("sidecar.l3")


ENDS = ("locked", "full", "denied", "failed", "corrupt", "crashed", "hung")
"""The reasons for which a child exits."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why L3 is not up, for the log and /readyz."""

    reason: str  # of ENDS, opening, or disabled
    message: str


class DiskProcess(asyncio.Protocol):
    """Owns the child and its socket; the only caller of `take`, `feed` and `lost`."""

    def __init__(
        self,
        disk: Disk[Any],
        claim: Claim,
        data_limit: int | None,
        *,
        stuck_seconds: float = STUCK_SECONDS,
    ) -> None:
        """`claim` is that to the data directory; it is taken as soon as nobody else has it."""
        self._disk = disk
        disk.wake_by(self._wake)
        self._claim = claim
        self._data_dir = claim.folder
        self._recorder = Recorder(disk, claim.folder / FOLDER, claim)
        self._data_limit = data_limit
        self._stuck_seconds = stuck_seconds
        self._loop = asyncio.get_running_loop()
        self._unframer = wire.Unframer()
        self._transport: asyncio.Transport | None = None
        self._paused = False  # the child has not read what was sent; so no more is encoded
        self._flushing = False
        self._end_of_stream: asyncio.Future[None] = self._loop.create_future()
        self._heard_at = 0.0
        self._closed_at = time.monotonic()  # since when L3 has not been open
        self._fault: tuple[str, str] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._enabled = asyncio.Event()
        self.restarts: Counter[str] = Counter()
        self.trouble: Trouble | None = None
        self.buffers_bytes = MOST_BUFFERS_BYTES
        """The memory for RocksDB's memtables and block cache, from the next child on."""

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    # ---- the child's lifecycle

    async def run(self) -> None:
        """Keep a child running, and the record of what L3 misses, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(self._recorder.run()), tasks.create_task(self._tick())]
            await self._keep_running()
            for task in beside:
                task.cancel()

    async def _tick(self) -> None:
        """Nothing waits for ever, whatever the child, its end or its start is waiting for."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._disk.expire(self._disk.monotonic())
            opening_seconds = time.monotonic() - self._closed_at
            if self._disk.state is OPENING and opening_seconds > OPEN_SECONDS:
                self._go_without(Trouble("opening", OPENS_SLOWLY))
            self._send_what_is_due()

    async def _keep_running(self) -> None:
        failures = 0
        while True:
            await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
            await self._claimed()
            await self._while_disabled()
            born = time.monotonic()
            try:
                trouble = await self._one_life()
            except OSError as error:  # out of memory or processes
                trouble = Trouble("failed", f"the L3 process cannot be started: {error}")
            finally:  # whatever it was: the next child owes none of the answers
                if self._disk.state is UP:
                    self._closed_at = time.monotonic()
                self._disk.lost()
            if self._stopping:
                return
            lived = time.monotonic() - born
            failures = 1 if lived > CALM_SECONDS else failures + 1
            self.restarts[trouble.reason] += 1
            log.warning("L3 process exited", reason=trouble.reason, detail=trouble.message)
            if self._disk.state is DOWN or (
                trouble.reason in ("locked", "denied", "full")
                or failures >= STARTS_BEFORE_GIVING_UP
            ):
                self._go_without(trouble)
            else:
                self.trouble = trouble

    def enable(self, *, enabled: bool) -> None:
        """Enable or disable L3 while running."""
        if enabled:
            self._enabled.set()
        else:
            self._enabled.clear()
            self._kill()

    async def stop(self, task: asyncio.Task[None], hurry: asyncio.Event) -> None:
        """Let the child apply what was sent and close; kill it after CLOSE_SECONDS."""
        self._stopping = True
        self._disk.pace_writes(math.inf)
        self._flush(at_once=True)
        if self._transport is not None and self._disk.state is UP:
            close = wire.Request(0.0, 0.0, False, [], [], [], wire.Close())
            self._transport.write(wire.framed(wire.encode_request(close)))
            hurried = asyncio.create_task(hurry.wait())
            await asyncio.wait(
                [task, hurried], timeout=CLOSE_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            hurried.cancel()
        self._kill()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await self._record_the_rest(hurry)

    async def _record_the_rest(self, hurry: asyncio.Event) -> None:
        """Record what L3 has missed, and what it has not acknowledged, for the next child."""
        disk = self._disk
        if disk.waiting and disk.state is not DOWN:
            disk.give_up(recording=True)
        if disk.missed.any and not hurry.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._recorder.write()
        self._claim.release()

    async def _claimed(self) -> None:
        """Wait until this process has claimed the folder, without L3 meanwhile."""
        since = time.monotonic()
        while True:
            try:
                if await asyncio.to_thread(self._claim.take):
                    return
                trouble = Trouble(*in_use(self._data_dir))
            except OSError as error:
                trouble = Trouble(*explain(str(error), self._data_dir))
            if not self._enabled.is_set():
                trouble = Trouble("disabled", OFF)
            if time.monotonic() - since > CLAIM_SECONDS:
                self._go_without(trouble)
            await asyncio.sleep(CLAIM_SECONDS)

    async def _while_disabled(self) -> None:
        if not self._enabled.is_set():
            self._go_without(Trouble("disabled", OFF))
            await self._enabled.wait()

    def _go_without(self, trouble: Trouble) -> None:
        """Continue without L3, which misses all writes from now on, or go on without it."""
        is_new = self._disk.state is not DOWN
        told = self.trouble is not None and self.trouble.reason == trouble.reason
        self.trouble = trouble
        allowed = trouble.reason != "locked"
        if is_new:
            self._disk.give_up(recording=allowed)
        self._recorder.begin(allowed=allowed, anew=is_new)
        if is_new or not told:
            tell = log.info if trouble.reason == "disabled" else log.error
            tell("Running without L3", reason=trouble.reason, detail=trouble.message)

    @property
    def unrecorded(self) -> str | None:
        """Why the volume has no record of what L3 misses; None if it has, or misses nothing."""
        return self._recorder.failure if self._disk.missed.any else None

    async def _one_life(self) -> Trouble:
        """Start a child and wait for its exit; returns the reason."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        limit = "-" if self._data_limit is None else str(self._data_limit)
        empty = "empty" if self._disk.missed.overflowed else "-"
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "sidecar.l3"),
                *(str(theirs.fileno()), str(self._data_dir), limit, empty),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, **ENVIRONMENT, wire.BUFFERS_VARIABLE: str(self.buffers_bytes)},
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        process = self._process
        self._fault = None
        self._paused = False
        self._unframer = wire.Unframer()
        self._heard_at = time.monotonic()
        self._end_of_stream = self._loop.create_future()
        transport, _ = await self._loop.create_connection(lambda: self, sock=ours)
        self._transport = transport
        if not self._enabled.is_set():  # disabled while it was started
            self._kill()
        try:
            hung = await self._watch(process)
            if not hung:  # its last message is still in the socket
                await asyncio.wait([self._end_of_stream], timeout=LAST_WORDS_SECONDS)
        finally:
            transport.close()
            self._transport = None
            self._kill()
            status = None
            with contextlib.suppress(TimeoutError):  # it may wait for a disk that does not answer
                async with asyncio.timeout(END_SECONDS):
                    status = await process.wait()
            self._process = None
        if hung:
            return Trouble("hung", f"no progress for {self._stuck_seconds:g} s; killed")
        if self._fault is not None:
            return Trouble(*self._fault)
        return Trouble("crashed", f"the process exited with status {status}")

    async def _watch(self, process: asyncio.subprocess.Process) -> bool:
        """Wait until the child has exited (False) or has to be killed (True)."""
        ended = asyncio.ensure_future(process.wait())
        activity = Activity(process.pid)
        try:
            while not ended.done():
                await asyncio.wait([ended], timeout=TICK_SECONDS)
                quiet = time.monotonic() - self._heard_at
                owing = self._disk.waiting or self._disk.state is not UP
                if not owing or quiet < self._stuck_seconds * QUIET_SHARE:
                    activity.suppose()
                elif activity.still_seconds() > self._stuck_seconds:
                    return True
        finally:
            ended.cancel()
        return False

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    # ---- the socket

    def _wake(self) -> None:
        """There is something to send: collect what this turn of the loop adds, then send it."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush_soon)

    def data_received(self, data: bytes) -> None:
        self._heard_at = time.monotonic()
        for payload in self._unframer.feed(data):
            try:
                reply = wire.decode_reply(payload)
            except wire.UNDECODABLE as error:
                self._fault = ("failed", f"a reply that cannot be decoded: {error}")
                self._kill()
                return
            if reply.fault is not None:
                self._fault = reply.fault
            if reply.status is not None and self._disk.state is not UP:
                if self._disk.missed.overflowed and not reply.status.wiped:
                    self._kill()  # the next one is told to empty L3
                    return
                self._recorder.back()
                if reply.status.gone:
                    log.warning("Entries of L3 are gone", reason=reply.status.gone)
            self._disk.feed(reply)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None  # writes from now on wait for the next child
        if not self._end_of_stream.done():
            self._end_of_stream.set_result(None)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def _flush_soon(self) -> None:
        self._flushing = False
        self._flush()

    def _flush(self, *, at_once: bool = False) -> None:
        if self._transport is not None:
            while (at_once or not self._paused) and (
                frame := self._disk.take(at_once=at_once)
            ) is not None:
                self._transport.writelines(frame)

    def _send_what_is_due(self) -> None:
        if self._disk.writes_wait or self._disk.touches_due(self._disk.monotonic()):
            self._flush()


class Activity:
    """Whether a process makes progress, by the kernel's counters of its I/O and CPU time."""

    def __init__(self, pid: int) -> None:
        self._accounts = (Path(f"/proc/{pid}/io"), Path(f"/proc/{pid}/schedstat"))
        self._seen: list[str] | None = None
        self._since = 0.0

    def suppose(self) -> None:
        """Count the process as active, without reading its counters."""
        self._seen = None

    def still_seconds(self) -> float:
        """How long its counters have not changed; 0 if unknown."""
        try:
            seen = [account.read_text() for account in self._accounts]
        except OSError:
            return 0.0  # it has just exited, or this kernel has no such counters
        now = time.monotonic()
        if seen != self._seen:
            self._seen = seen
            self._since = now
        return now - self._since
