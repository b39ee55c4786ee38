"""The child process that runs L3: started, watched, ended, and started again.

A watchdog judges progress, not slowness. A disk that takes 200 ms for every read makes a child slow
and leaves it alive: its counters of I/O and processor time move. A child that owes an answer while
nothing of it moves is ended with SIGKILL, which RocksDB's log makes harmless.
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

from sidecar.l3 import wire
from sidecar.l3.mark import leave_mark
from sidecar.tiers.disk import Disk, State

TICK_SECONDS = 0.05
"""How often overdue reads are looked for, and touches and paced writes sent."""
STUCK_SECONDS = 10.0
"""How long a child that owes an answer may show no sign of work."""
QUIET_SHARE = 0.2
"""What part of that it may be silent before its accounts are looked at."""
BACKOFF_SECONDS = (0.0, 0.2, 1.0, 5.0, 15.0, 60.0)
"""Before the first start again, the second, ...: a single crash costs nothing, a loop is slow."""
STARTS_BEFORE_GIVING_UP = 3
CALM_SECONDS = 60.0
"""A child that has lived this long starts the back-off afresh."""
LAST_WORDS_SECONDS = 0.5
CLOSE_SECONDS = 0.7
"""How long a stop waits for RocksDB to write out its memory; its log has it all anyway."""

ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": str(128 << 10)}
"""Of the child: RocksDB's threads share their heaps, and what a compaction frees goes back. With a
threshold of its own glibc also maps blocks that large for good, so nothing frequent may be one."""

OFF = "switched off by tiers.l3.enabled, or --data-limit leaves no room for it"

log = structlog.get_logger("sidecar.l3")


ENDS = ("locked", "full", "denied", "failed", "corrupt", "crashed", "hung")
"""The reasons for which a child ends."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why L3 is not up, for people."""

    reason: str  # of ENDS, or disabled
    message: str
    marked: bool = True  # False: the volume does not know that it missed writes


class DiskProcess(asyncio.Protocol):
    """Owns the child and the socket to it; the only one that calls `take`, `feed` and `lost`."""

    def __init__(
        self,
        disk: Disk[Any],
        data_dir: Path,
        data_limit: int | None,
        *,
        stuck_seconds: float = STUCK_SECONDS,
    ) -> None:
        self._disk = disk
        disk.wake_by(self._wake)
        self._data_dir = data_dir
        self._data_limit = data_limit
        self._stuck_seconds = stuck_seconds
        self._loop = asyncio.get_running_loop()
        self._unframer = wire.Unframer()
        self._transport: asyncio.Transport | None = None
        self._flushing = False
        self._end_of_stream: asyncio.Future[None] = self._loop.create_future()
        self._heard_at = 0.0
        self._fault: tuple[str, str] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._enabled = asyncio.Event()
        self.restarts: Counter[str] = Counter()
        self.trouble: Trouble | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    # ---- the life of the child

    async def run(self) -> None:
        """Keep a child running until cancelled."""
        failures = 0
        while True:
            await self._while_disabled()
            await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
            born = time.monotonic()
            try:
                self.trouble = await self._one_life()
            except OSError as error:  # no memory or no process to be had
                self.trouble = Trouble("failed", f"the L3 process could not be started: {error}")
            self._disk.lost()
            if self._stopping:
                return
            lived = time.monotonic() - born
            failures = 1 if lived > CALM_SECONDS else failures + 1
            self.restarts[self.trouble.reason] += 1
            log.warning("L3 stopped", reason=self.trouble.reason, detail=self.trouble.message)
            if not self._enabled.is_set():
                continue
            if self.trouble.reason in ("locked", "denied", "full") or (
                failures >= STARTS_BEFORE_GIVING_UP
            ):
                await self._give_up(self.trouble)

    def enable(self, *, enabled: bool) -> None:
        """Switch L3 on or off while running."""
        if enabled:
            self._enabled.set()
        else:
            self._enabled.clear()
            self._kill()

    async def stop(self, task: asyncio.Task[None], hurry: asyncio.Event) -> None:
        """Let the child apply what it was sent and close; end it after CLOSE_SECONDS."""
        self._stopping = True
        self._disk.pace_writes(math.inf)
        self._flush(at_once=True)
        if self._transport is not None and self._disk.state is State.UP:
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

    async def _while_disabled(self) -> None:
        if not self._enabled.is_set():
            await self._give_up(Trouble("disabled", OFF))
            await self._enabled.wait()

    async def _give_up(self, trouble: Trouble) -> None:
        """Go on without L3, after a mark on the volume: it will have missed what is written now."""
        if self._disk.state is State.DOWN:
            return
        try:
            await asyncio.to_thread(leave_mark, self._data_dir)
        except OSError as error:
            message = f"{trouble.message}; nor could a mark be left there ({error.strerror})"
            trouble = Trouble(trouble.reason, message, marked=False)
        self.trouble = trouble
        self._disk.give_up()
        tell = log.info if trouble.reason == "disabled" else log.error
        tell("Running without L3", reason=trouble.reason, detail=trouble.message)

    async def _one_life(self) -> Trouble:
        """Start a child and wait for its end; why it ended."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        limit = "-" if self._data_limit is None else str(self._data_limit)
        stale = "stale" if self._disk.state is State.DOWN else "-"
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "sidecar.l3"),
                *(str(theirs.fileno()), str(self._data_dir), limit, stale),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, **ENVIRONMENT},
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        process = self._process
        self._fault = None
        self._unframer = wire.Unframer()
        self._heard_at = time.monotonic()
        self._end_of_stream = self._loop.create_future()
        transport, _ = await self._loop.create_connection(lambda: self, sock=ours)
        self._transport = transport
        try:
            hung = await self._watch(process)
            if not hung:  # what it said last is still in the socket
                await asyncio.wait([self._end_of_stream], timeout=LAST_WORDS_SECONDS)
        finally:
            transport.close()
            self._transport = None
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            status = await process.wait()
            self._process = None
        if hung:
            return Trouble("hung", f"no sign of work for {self._stuck_seconds:g} s; ended")
        if self._fault is not None:
            return Trouble(*self._fault)
        return Trouble("crashed", f"the process ended with status {status}")

    async def _watch(self, process: asyncio.subprocess.Process) -> bool:
        """Until the child has ended (False) or must be ended (True)."""
        ended = asyncio.ensure_future(process.wait())
        activity = Activity(process.pid)
        try:
            while not ended.done():
                await asyncio.wait([ended], timeout=TICK_SECONDS)
                self._disk.expire(self._disk.clock())
                self._send_what_is_due()
                quiet = time.monotonic() - self._heard_at
                owing = self._disk.waiting or self._disk.state is not State.UP
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
        """Something waits to be sent: gather what this turn of the loop adds, then send it."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush_soon)

    def data_received(self, data: bytes) -> None:
        self._heard_at = time.monotonic()
        for payload in self._unframer.feed(data):
            reply = wire.decode_reply(payload)
            if reply.fault is not None:
                self._fault = reply.fault
            self._disk.feed(reply)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None  # what is written from now on waits for the next child
        if not self._end_of_stream.done():
            self._end_of_stream.set_result(None)

    def _flush_soon(self) -> None:
        self._flushing = False
        self._flush()

    def _flush(self, *, at_once: bool = False) -> None:
        if self._transport is not None:
            while (frame := self._disk.take(at_once=at_once)) is not None:
                self._transport.write(wire.framed(frame))

    def _send_what_is_due(self) -> None:
        if self._disk.writes_wait or self._disk.touches_due(self._disk.clock()):
            self._flush()


class Activity:
    """Whether a process does anything at all, by the kernel's accounts of its I/O and its time."""

    def __init__(self, pid: int) -> None:
        self._accounts = (Path(f"/proc/{pid}/io"), Path(f"/proc/{pid}/schedstat"))
        self._seen: list[str] | None = None
        self._since = 0.0

    def suppose(self) -> None:
        """There is no need to look: take it to be active."""
        self._seen = None

    def still_seconds(self) -> float:
        """For how long it has not moved, as far as has been looked; 0 where nobody can tell."""
        try:
            seen = [account.read_text() for account in self._accounts]
        except OSError:
            return 0.0  # it has just ended, or this kernel keeps no accounts
        now = time.monotonic()
        if seen != self._seen:
            self._seen = seen
            self._since = now
        return now - self._since
