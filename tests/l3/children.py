"""The child process over a real socket pair; the test plays the sidecar."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from sidecar.l3 import wire
from sidecar.model.answers import Record, Row, Status
from sidecar.model.writes import Put, Write
from sidecar.tiers.process import ENVIRONMENT

PATIENCE_SECONDS = 30.0
"""The timeout of a test; nothing is measured with it."""

AS_USER = """
import os, pickle, sys  # rocksdict imports pickle late
from pathlib import Path
from sidecar.l3.__main__ import main

uid, descriptor, data_dir = sys.argv[1:4]
os.setgroups([])
os.setuid(int(uid))
os._exit(main(int(descriptor), Path(data_dir), None, empty=False))
"""
"""Runs the child as another user, who may be unable to read the interpreter's files."""


class RunningChild:
    """One run of the child. Times are wall clock seconds, as in the sidecar."""

    def __init__(
        self,
        data_dir: Path,
        *,
        limit: int | None = None,
        empty: bool = False,
        uid: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(PATIENCE_SECONDS)
        for end in (self.socket, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        arguments = [str(data_dir), "-" if limit is None else str(limit), "empty" if empty else "-"]
        how = ["-m", "sidecar.l3"] if uid is None else ["-c", AS_USER, str(uid)]
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, *how, str(theirs.fileno()), *arguments],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **ENVIRONMENT, **(environment or {})},
            )
        self._unframer = wire.Unframer()
        self._received: list[wire.Reply] = []

    # ---- talking to it

    def send(
        self,
        *writes: Write,
        reads: list[bytes] | None = None,
        call: wire.Call | None = None,
        sent_at: float | None = None,
        timeout: float = PATIENCE_SECONDS,
        joined: list[int] | None = None,
    ) -> None:
        self.socket.sendall(
            request(
                *writes, reads=reads, call=call, sent_at=sent_at, timeout=timeout, joined=joined
            )
        )

    def receive(self) -> wire.Reply:
        """The next reply. Raises EOFError when the child has ended."""
        while not self._received:
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if not data:
                raise EOFError
            self._received += map(wire.decode_reply, self._unframer.feed(data))
        return self._received.pop(0)

    def hello(self) -> Status:
        """Its first status; afterwards it is configured, with limits that no test reaches."""
        status = self.status()
        self.send(call=wire.Configure("sidecar.policies.lru:score", 10_000_000, 1 << 40))
        return status

    def status(self) -> Status:
        while (status := self.receive().status) is None:
            pass
        return status

    def fault(self) -> tuple[str, str]:
        while (fault := self.receive().fault) is None:
            pass
        return fault

    def answers(self, reads: int = 0, writes: int = 0) -> tuple[list[Record | int], list[int]]:
        """The answers to this number of reads and writes, in any frames."""
        records: list[Record | int] = []
        acks: list[int] = []
        while len(records) < reads or len(acks) < writes:
            reply = self.receive()
            records += map(record_of, reply.reads)
            acks += reply.writes
        assert (len(records), len(acks)) == (reads, writes)
        return records, acks

    def values(self, keys: list[bytes]) -> list[bytes | None]:
        self.send(reads=keys)
        return [
            answer.value if isinstance(answer, Record) else None
            for answer in self.answers(reads=len(keys))[0]
        ]

    def put(self, key: bytes, value: bytes, seq: int = 1) -> None:
        self.send(put(key, value, seq))
        self.answers(writes=1)

    def wakes(self) -> int:
        """How often its main thread has waited for something and gone on."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    # ---- its end

    def close(self) -> int:
        """Close our end; returns its exit status."""
        self.socket.close()
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)
        self.socket.close()

    def end(self) -> None:
        """End the child in any state."""
        self.kill() if self.process.poll() is None else self.socket.close()


def request(
    *writes: Write,
    reads: list[bytes] | None = None,
    call: wire.Call | None = None,
    sent_at: float | None = None,
    timeout: float = PATIENCE_SECONDS,
    joined: list[int] | None = None,
) -> bytes:
    """A frame as sent by the sidecar."""
    now = time.time() if sent_at is None else sent_at
    deadline = time.monotonic() + timeout
    sent = wire.Request(now, deadline, False, reads or [], list(writes), [], call, joined or [])
    return wire.framed(wire.encode_request(sent))


def put(key: bytes, value: bytes, seq: int) -> Put:
    return Put(key, seq, 0.0, math.inf, "text/plain", len(value), value)


def record_of(answer: Row | int) -> Record | int:
    return answer if isinstance(answer, int) else wire.decode_record(answer)
