"""Writes bytes to a stream without blocking the caller.

A pipe blocks its writer if the reader stalls. So a thread writes from a queue that is bounded in
bytes; data that does not fit is dropped, counted, and reported as soon as there is room.
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
    """The destination of bytes. Neither method raises; `write` may block."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class QueuedWriter:
    """Passes bytes to a sink in a daemon thread, in the order of `put`. Thread-safe."""

    def __init__(self, sink: Sink, report: Callable[[int], bytes], *, capacity_bytes: int) -> None:
        """`report` returns the message for a number of dropped puts, which ignores the bound."""
        self._sink = sink
        self._report = report
        self._capacity_bytes = capacity_bytes
        self._queue: list[bytes] = []
        self._used_bytes = 0  # queued, and being written to the sink
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
        """Wait until all is written, up to the timeout."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._is_idle(), timeout_seconds)

    def close(self, timeout_seconds: float) -> None:
        """Write the queue and end the thread; a thread whose sink stalls longer is abandoned.

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
        """The queued bytes, with a report on dropped ones; empty when closed."""
        with self._changed:
            self._writing, self._used_bytes = False, sum(map(len, self._queue))
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closing or self._queue or self._dropped)
            batch, self._queue = b"".join(self._queue), []
            dropped, self._dropped = self._dropped, 0
            self._writing = bool(batch or dropped)
        return batch + (self._report(dropped) if dropped else b"")


class TextSink:
    """A Python stream without a file descriptor, as in tests."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        with suppress(OSError, ValueError):  # the stream is closed, so the error cannot be reported
            self._stream.write(data.decode(errors="replace"))
            self._stream.flush()

    def close(self) -> None:
        """Does nothing, since the stream belongs to the caller."""


class DescriptorSink:
    """A file descriptor, written to directly.

    A daemon thread inside Python's buffered stderr makes the interpreter abort at exit; one inside
    `write(2)` does not.
    """

    def __init__(self, descriptor: int) -> None:
        """Takes ownership of the descriptor."""
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        with suppress(OSError):  # the reader is gone, so the error cannot be reported
            while left:
                try:
                    left = left[os.write(self._descriptor, left) :]
                except BlockingIOError:  # another owner of the stream made it non-blocking
                    _wait_until_writable(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def _wait_until_writable(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()


def sink_of(stream: TextIO) -> Sink:
    """A sink to the stream, which bypasses Python's buffers if it has a file descriptor."""
    try:
        stream.flush()
        return DescriptorSink(os.dup(stream.fileno()))
    except io.UnsupportedOperation:
        return TextSink(stream)
