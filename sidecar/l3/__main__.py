"""The child process.

`python -m sidecar.l3 FD DATA_DIR DATA_LIMIT|- empty|-` serves the socket FD until its peer closes
it, applies what was sent, and exits. It ignores SIGTERM and SIGINT: the sidecar decides when it
exits.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import socket
import sys
import time
from pathlib import Path

from sidecar.l3 import wire
from sidecar.l3.child import Child
from sidecar.l3.database import Database, is_corruption
from sidecar.l3.engine import Engine
from sidecar.l3.folder import FOLDER, explain
from sidecar.l3.opening import OpenError, open_database, quarantine_bytes
from sidecar.l3.record import read_record
from sidecar.l3.space import Space, most_live_bytes
from sidecar.process.descriptors import allow_many_files

_PR_SET_PDEATHSIG = 1


def main(descriptor: int, data_dir: Path, data_limit: int | None, *, empty: bool) -> int:
    """Serve until the peer closes. Status 0; 1 after a fault, which was reported before.

    `empty`: L3 has missed writes that nobody knows any more, even if its record does not say so.
    """
    _end_with_parent()
    allow_many_files()
    os.umask(0o077)  # the values are the application's, and nobody else reads its volume
    connection = socket.socket(fileno=descriptor)
    database: Database | None = None
    try:
        database, wiped, gone = open_database(data_dir, empty=empty, data_limit=data_limit)
        if data_limit is not None:
            data_limit = max(0, data_limit - quarantine_bytes(data_dir))
        space = Space(data_dir / FOLDER, database, data_limit)
        engine = Engine(database, random.Random())  # noqa: S311  (a sample, no secret)
        if data_limit is not None:
            engine.cap(most_live_bytes(data_limit))
        engine.catch_up(read_record(data_dir / FOLDER), time.time())
        Child(connection, engine, space, wiped=wiped, gone=gone).run()
        space.close()
        database.close()
    except OpenError as error:
        return _fault(connection, error.reason, str(error))
    except Exception as error:  # noqa: BLE001  (RocksDB raises nothing narrower; told to the sidecar)
        if is_corruption(error) and database is not None:
            # The database is not closed: RocksDB deletes files by their paths, which may soon be
            # those of the next child's database.
            os._exit(_leave_damaged(connection, database, error))
        return _fault(connection, *explain(str(error), data_dir))
    return 0


def _leave_damaged(connection: socket.socket, database: Database, error: Exception) -> int:
    try:
        database.note_damage()
    except OSError as second:
        return _fault(connection, "failed", f"{error}; this cannot be noted either: {second}")
    return _fault(connection, "corrupt", f"{error}; what can be read is copied")


def _fault(connection: socket.socket, reason: str, message: str) -> int:
    reply = wire.Reply([], [], [], fault=(reason, message))
    try:
        connection.sendall(wire.framed(wire.encode_reply(reply)))
    except (BrokenPipeError, ConnectionResetError):
        return 1  # the sidecar has exited
    return 1


def _end_with_parent() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    fd, folder, limit, emptiness = sys.argv[1:]
    status = main(
        int(fd), Path(folder), None if limit == "-" else int(limit), empty=emptiness == "empty"
    )
    sys.stdout.flush()
    os._exit(status)  # a thread of RocksDB that waits for a slow disk must not delay the exit
