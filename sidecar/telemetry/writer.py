"""Bytes to a stream without ever waiting for it.

A pipe whose reader stalls blocks whoever writes to it. So a thread writes, out of a queue that is
bounded in bytes; what does not fit is dropped, counted, and reported as soon as there is room.
"""

from __future__ import annotations

import io
import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TextIO


class Sink(Protocol):
    """Where bytes end. Neither method raises; `write` may take as long as it likes."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class QueuedWriter:
    """Hands bytes to a sink in a daemon thread, in the order of `put`. Thread-safe."""

    def __init__(self, sink: Sink, report: Callable[[int], bytes], *, capacity_bytes: int) -> None:
        """`report` words how many puts were dropped; what it returns is written past the bound."""
        self._sink = sink
        self._report = report
        self._capacity_bytes = capacity_bytes
        self._queue: list[bytes] = []
        self._used_bytes = 0  # what is queued, and what is on its way into the sink
        self._dropped = 0
        self._writing = False
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        """Queue the bytes, or drop and count them; never waits for the sink."""
        with self._changed:
            if self._closing:
                return
            if self._used_bytes + len(data) > self._capacity_bytes:
                self._dropped += 1
            else:
                self._queue.append(data)
                self._used_bytes += len(data)
            self._changed.notify_all()

    def flush(self, timeout_seconds: float) -> None:
        """Wait until all is written, though no longer than that."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._is_idle(), timeout_seconds)

    def close(self, timeout_seconds: float) -> None:
        """Write what is queued and end the thread; one whose sink stalls longer is left behind.

        Only the first call waits, and no flush waits after it.
        """
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_seconds)

    def _is_idle(self) -> bool:
        return not (self._queue or self._dropped or self._writing)

    def _run(self) -> None:
        while batch := self._next_batch():
            self._sink.write(batch)
        self._sink.close()

    def _next_batch(self) -> bytes:
        """All that waits, with a report on what was dropped; nothing when it is time to end."""
        with self._changed:
            self._writing, self._used_bytes = False, sum(map(len, self._queue))
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closing or self._queue or self._dropped)
            batch, self._queue = b"".join(self._queue), []
            dropped, self._dropped = self._dropped, 0
            self._writing = bool(batch or dropped)
        return batch + (self._report(dropped) if dropped else b"")


class TextSink:
    """A stream of Python's own, as tests have it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        with suppress(OSError, ValueError):  # the stream is closed: nobody is left to tell
            self._stream.write(data.decode(errors="replace"))
            self._stream.flush()

    def close(self) -> None:
        """The stream belongs to another."""


class DescriptorSink:
    """A file descriptor, written to directly.

    A daemon thread that is inside Python's buffered stderr when the interpreter ends makes it
    abort; one inside `write(2)` does not.
    """

    def __init__(self, descriptor: int) -> None:
        """Takes the descriptor over."""
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        with suppress(OSError):  # the reader is gone: nobody is left to tell
            while left:
                try:
                    left = left[os.write(self._descriptor, left) :]
                except BlockingIOError:  # whoever shares the stream made it non-blocking
                    _wait_until_writable(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def _wait_until_writable(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()


def sink_of(stream: TextIO) -> Sink:
    """A sink into the stream, past Python's buffers where it has a file descriptor."""
    try:
        stream.flush()
        return DescriptorSink(os.dup(stream.fileno()))
    except io.UnsupportedOperation:
        return TextSink(stream)
