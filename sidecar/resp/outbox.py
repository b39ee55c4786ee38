"""The replies to one client, in the order of its requests, and the memory that they hold.

A reply that is not known yet has a slot, and those behind it wait.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque

import structlog

from sidecar.resp.call import LARGE_BYTES, REPLY_COPIES
from sidecar.resp.errors import OUT_OF_MEMORY, RespError
from sidecar.resp.replies import bulk, error
from sidecar.resp.service import Service
from sidecar.resp.session import Link, Session

MOST_OUT_BYTES = 8 << 10
"""Replies leave in pieces of about this size."""
UNSENT_COPIES = 2
"""Of what is not sent, with what the allocator loses by it."""
MOST_UNREAD_BYTES = 32 << 20
"""Messages that a client may leave unread, as `client-output-buffer-limit pubsub` of Redis."""
PUSH_BYTES = 64
"""What a message takes that waits, besides its bytes."""

log = structlog.get_logger("sidecar.resp")


class Slot:
    """The place of a reply in the order; None until it is known."""

    __slots__ = ("data", "is_wanted")

    def __init__(self, data: bytes | None = None, *, is_wanted: bool = True) -> None:
        self.data = data
        self.is_wanted = is_wanted
        """Whether the client wants the reply: it may ask for others before that is known."""


class Outbox(Session):
    """A client, as far as it is sent something."""

    def __init__(self, service: Service, link: Link) -> None:
        self.service = service
        self._admission = service.admission
        self._out: list[bytes] = []  # known, and not sent yet
        self._out_bytes = 0
        self._slots: deque[Slot] = deque()
        self._waits_for_slots = False  # the next one runs when all before it are answered
        self._queue: deque[list[bytes]] = deque()  # commands that have not begun
        self._busy = 0  # commands that run, and that nothing may overtake
        self._is_held_back = False  # the client does not read
        self._is_closing = False
        self._has_ended = False  # nothing more will come
        self._held_bytes = 0
        needs_token = service.token is not None
        super().__init__(link, service.clock, service.next_id(), needs_token=needs_token)

    @abstractmethod
    def _soon(self) -> None:
        """Go on in turn."""

    def _reply(self, reply: bytes) -> None:
        """The reply to the latest command."""
        if self._is_wanted():
            self._out.append(reply)
            self._out_bytes += len(reply)

    def _is_wanted(self) -> bool:
        """Whether the reply to the latest command is. Asked once for each."""
        if self.skips:
            self.skips -= 1
            if not self.skips:
                self.note_state()
            return False
        return self.replies

    def _bulk(self, value: bytes) -> bytes:
        """The reply that is a value, if there is memory for it."""
        if len(value) > LARGE_BYTES and not self._hold(REPLY_COPIES * len(value)):
            return error(OUT_OF_MEMORY)
        return bulk(value)

    def _slot(self) -> Slot:
        """A place for a reply that is not known yet."""
        if self._out:
            self._flush()
        slot = Slot(is_wanted=self._is_wanted())
        self._slots.append(slot)
        return slot

    def _fill(self, slot: Slot, data: bytes) -> None:
        slot.data = data if slot.is_wanted else b""
        slots = self._slots
        if not slots or slots[0] is not slot:
            return
        if len(slots) == 1 and not (
            self._queue or self._busy or self._is_held_back or self._is_closing or self._has_ended
        ):
            self._flush_slots()  # as a rule: there is nothing that could go on
        else:
            self._soon()

    def _flush(self) -> None:
        """Send the replies that are known, in order."""
        if not self._out:
            return
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        self._out_bytes = 0
        if self._slots:
            self._slots.append(Slot(data))
        else:
            self.link.send(data)
            if not self._is_held_back:
                self._release()

    def _flush_slots(self) -> None:
        slots = self._slots
        ready: list[bytes] = []
        while slots and (data := slots[0].data) is not None:
            slots.popleft()
            ready.append(data)
        if not slots:
            self._waits_for_slots = False
        if ready:
            self.link.send(ready[0] if len(ready) == 1 else b"".join(ready))
            if not self._is_held_back and not slots:
                self._release()
        if self._is_closing and not slots:
            self.link.close()

    def _put_push(self, message: bytes) -> None:
        size = len(message)
        if self._is_held_back or self._slots or size > LARGE_BYTES:
            size += PUSH_BYTES
            if not self._may_leave_unread(size) or not self._hold(size):
                log.warning("A client that does not read its messages was closed", client=self.id)
                self._is_closing = True
                self._out.clear()
                self._out_bytes = 0
                self.link.abort()
                return
        self._out.append(message)
        self._out_bytes += size

    def _may_leave_unread(self, size: int) -> bool:
        """The last quarter of the memory is for requests, so that who does not read can't keep
        others from it.
        """
        budget = self._admission.budget
        is_within = self._held_bytes + size <= min(MOST_UNREAD_BYTES, budget.most_bytes // 4)
        return is_within and budget.used_bytes + size <= budget.capacity_bytes // 4 * 3

    def _hold(self, size: int) -> bool:
        if not self._admission.admits_bytes(size):
            return False
        self._held_bytes += size
        return True

    def hold(self, size: int) -> None:
        if not self._hold(size):
            raise RespError(OUT_OF_MEMORY)

    async def reserve(self, size: int) -> None:
        """Take memory until what has been answered is sent. Raises RespError."""
        if not await self._admission.wait_for_bytes(size):
            raise RespError(OUT_OF_MEMORY)
        self._held_bytes += size

    def _release(self) -> None:
        if self._held_bytes:
            self._admission.budget.give(self._held_bytes)
            self._held_bytes = 0

    # ---- a client that does not read

    def hold_back(self, unsent_bytes: int) -> None:
        """The client does not read what it was sent, of which so many bytes are left: nothing runs
        for it until it does.
        """
        self._is_held_back = True
        size = UNSENT_COPIES * unsent_bytes
        if size > self._held_bytes and not self._hold(size - self._held_bytes):
            self._is_closing = True
            self.link.abort()
