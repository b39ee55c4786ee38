"""A child that a test steps: L3 as a dict, one step at a time.

It speaks the real protocol in real frames, so the client end is the shipped one. Only the process
and RocksDB are left out, to make a million schedules feasible.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from sidecar.l3 import wire
from sidecar.model.answers import ABSENT, Record, Row, Status
from sidecar.model.invalidations import Invalidations
from sidecar.model.tags import Tags
from sidecar.model.terms import stored_terms
from sidecar.model.writes import (
    NEW,
    REPLACED,
    Delete,
    Invalidate,
    InvalidateTags,
    Put,
    Renew,
    Write,
)
from sidecar.tiers.disk import Disk


class SteppedChild:
    """`rows` and `invalidations` survive; frames in transit are lost when the child dies."""

    def __init__(self) -> None:
        self.rows: dict[bytes, Put] = {}
        self.invalidations = Invalidations()
        self.tags = Tags()
        self.max_seq = 0
        self.outbox: deque[bytes] = deque()

    # ---- steps

    def handle_all(self, disk: Disk[Any]) -> None:
        """Let the sidecar send its frames and the child handle them; the answers are then in
        transit, reads and writes apart.

        One step is enough: a child that dies with an unhandled frame is the same as one that dies
        before the frame is sent.
        """
        while (frame := disk.take()) is not None:
            self._handle(wire.decode_request(b"".join(frame)[4:]))

    def _handle(self, request: wire.Request) -> None:
        if request.reads:
            self._reply(wire.Reply([self._read(key) for key in request.reads], [], []))
        if request.writes:
            self._reply(wire.Reply([], [self._write(write) for write in request.writes], []))

    def deliver(self, disk: Disk[Any]) -> None:
        """Deliver one answer."""
        disk.feed(wire.decode_reply(self.outbox.popleft()))

    def die(self, disk: Disk[Any]) -> None:
        """kill -9: frames in transit are lost, rows on disk are not; a new child opens them."""
        self.outbox.clear()
        disk.lost()

    def hello(self, disk: Disk[Any]) -> None:
        status = Status(
            entries=len(self.rows),
            used_bytes=0,
            evictions=0,
            expirations=0,
            folder_bytes=0,
            pending_compaction_bytes=0,
            max_seq=self.max_seq,
            invalidations=len(self.invalidations),
            slowed=False,
            wiped=False,
        )
        disk.feed(wire.Reply([], [], [], status=status))

    # ---- L3

    def _read(self, key: bytes) -> Row | int:
        row = self.rows.get(key)
        if row is None or self.invalidations.covers(key, row.seq):
            return ABSENT
        terms = stored_terms(row.terms)
        if terms is not None and self.tags.covers(terms.marks, row.seq):
            return ABSENT
        version = (row.seq, row.created_at, row.gone_at, row.content_type, row.size, row.value)
        record = Record(*version, row.checksum, row.terms)
        return memoryview(wire.encode_record(record))

    def _write(self, write: Write) -> int:
        self.max_seq = max(self.max_seq, write.seq)
        if isinstance(write, Invalidate):
            self.invalidations.add(write.scope, write.seq)
            return NEW
        if isinstance(write, InvalidateTags):
            for mark in write.marks:
                self.tags.add(mark, write.seq)
            return NEW
        assert not isinstance(write, Renew)  # no entry here has a life that slides
        old = self.rows.get(write.key)
        effect = REPLACED if old is not None else NEW
        if isinstance(write, Delete):
            self.rows.pop(write.key, None)
        elif old is None or old.seq < write.seq:
            self.rows[write.key] = write
        return effect

    def _reply(self, reply: wire.Reply) -> None:
        self.outbox.append(wire.encode_reply(reply))
