"""When a connection is read, and how much of what was read is handled at once.

A client whose data costs more than it costs to send is read less often: after many small pieces of
a request, and after a request that was refused. A piece that takes the parser long is handled in
slices, between which all others are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp.web_protocol import RequestHandler

CRUMB_BYTES, CRUMBS_AT_ONCE = 512, 8
"""A smaller piece that ends no request is a crumb. So many in a row are read at once."""
CRUMB_SECONDS, MOST_CRUMB_SECONDS = 0.01, 1.0
"""The rest after a crumb, for each of those in a row; and the longest rest."""
SLICE_BYTES, MOST_LINES = 2048, 512
"""A piece of a body in small chunks, with more ends of lines than this, is handled in slices: a
chunk of a byte takes as long as one of a kibibyte.
"""
NOTHING: Any = memoryview(b"")


class Reading(RequestHandler):
    """A connection that is not always read."""

    __slots__ = (
        "_crumbs",
        "_has_waited",
        "_is_chunked",
        "_is_slice_due",
        "_rests",
        "_sliced",
        "_was_refused",
    )

    def __init__(self, manager: Any, **options: Any) -> None:
        super().__init__(manager, **options)
        self._rests = 0  # in which nothing is read
        self._was_refused = False  # so that it rests
        self._has_waited = False  # what is read now was sent while it rested
        self._crumbs = 0  # small pieces in a row without a request
        self._is_chunked = False  # the latest request has a body in chunks
        self._sliced = NOTHING  # what is left of a piece that is handled in slices
        self._is_slice_due = False

    def _handle_slice(self, data: bytes) -> None:
        """Parse it, and handle the requests in it."""
        raise NotImplementedError

    def _hold_unhandled(self) -> bool:
        """Hold memory for what is not handled; False if there is none, so that it is refused."""
        raise NotImplementedError

    # ---- rests

    def rest(self, seconds: float) -> None:
        """Read nothing for a time: what the client sends waits in the kernel."""
        self._rests += 1
        self._pause_transport_reading()
        self._loop.call_later(seconds, self._read_again)

    def _read_again(self) -> None:
        self._rests -= 1
        if self._was_refused and not self._rests:
            self._was_refused = False
            self._has_waited = True
            # What waits in the kernel is read between this turn and the next one.
            self._loop.call_soon(self._loop.call_soon, self._wait_no_more)
        if not (self._reading_paused or self._buffer_paused):
            self._resume_transport_reading()

    def _wait_no_more(self) -> None:
        self._has_waited = False

    def rest_refused(self, seconds: float) -> None:
        """Rest after a request was refused. What the client sends before it was to come back is
        refused as well, but not followed by another rest.
        """
        if self._has_waited:
            self._has_waited = bool(self._messages)  # which came with it
        elif not self._was_refused:
            self._was_refused = True
            self.rest(seconds)

    def _count_crumbs(self, messages: Sequence[Any], data: bytes) -> None:
        """Read a client that trickles a request ever less often: each piece costs as much as a hit.
        What it sends meanwhile comes in one.
        """
        if messages or not data or len(data) >= CRUMB_BYTES:
            self._crumbs = 0
        else:
            self._crumbs += 1
            if self._crumbs > CRUMBS_AT_ONCE:
                self.rest(min(MOST_CRUMB_SECONDS, self._crumbs * CRUMB_SECONDS))

    # ---- slices, one in each turn of the loop

    def _has_many_chunks(self, data: bytes) -> bool:
        many = data.count(b"\r\n") > MOST_LINES
        return many and (self._is_chunked or b"chunked" in data.lower())

    def _slice(self, data: bytes) -> None:
        """Handle it in slices. Nothing else is read until that is done."""
        self._sliced = memoryview(data)
        if self._hold_unhandled():  # else it is refused
            self._pause_transport_reading()
            self._plan_slice()

    def _plan_slice(self) -> None:
        if not self._is_slice_due:
            self._is_slice_due = True
            self._loop.call_soon(self._take_slice)

    def _take_slice(self) -> None:
        self._is_slice_due = False
        if self._close or self._parser is None or self.transport is None:
            self._sliced = NOTHING  # no more is handled
        data = bytes(self._sliced[:SLICE_BYTES])
        self._sliced = self._sliced[SLICE_BYTES:] or NOTHING
        if data:
            self._handle_slice(data)
        if not (self._reading_paused or self._buffer_paused):
            self._resume_transport_reading()

    # ---- called by aiohttp, too

    def _resume_transport_reading(self) -> None:
        if self._sliced:
            self._plan_slice()
        elif not self._rests:
            super()._resume_transport_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Called for each chunk that is read of a body, paused or not."""
        if self._reading_paused or not self._sliced:  # else the next slice is parsed soon
            super().resume_reading(resume_parser)
