"""The child process.

`python -m sidecar.l3 FD DATA_DIR DATA_LIMIT|- stale|-` serves the socket FD until its peer closes
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
from pathlib import Path

from sidecar.l3 import wire
from sidecar.l3.child import Child
from sidecar.l3.engine import Engine
from sidecar.l3.opening import (
    FOLDER,
    OpenError,
    explain,
    is_corruption,
    open_database,
    quarantine,
    quarantine_bytes,
)
from sidecar.l3.space import Space, most_live_bytes
from sidecar.process.descriptors import allow_many_files

_PR_SET_PDEATHSIG = 1


def main(descriptor: int, data_dir: Path, data_limit: int | None, *, stale: bool) -> int:
    """Serve until the peer closes. Status 0; 1 after a fault, which was reported before.

    `stale`: L3 has missed writes, even if the volume has no mark.
    """
    _end_with_parent()
    allow_many_files()
    os.umask(0o077)  # the values are the application's, and nobody else reads its volume
    connection = socket.socket(fileno=descriptor)
    try:
        database, wiped = open_database(data_dir, stale=stale)
        if data_limit is not None:
            data_limit = max(0, data_limit - quarantine_bytes(data_dir))
        space = Space(data_dir / FOLDER, database, data_limit)
        engine = Engine(database, random.Random())  # noqa: S311  (a sample, no secret)
        if data_limit is not None:
            engine.cap(most_live_bytes(data_limit))
        Child(connection, engine, space, wiped=wiped).run()
        space.close()
        database.close()
    except OpenError as error:
        return _fault(connection, error.reason, str(error))
    except Exception as error:  # noqa: BLE001  (RocksDB raises nothing narrower; told to the sidecar)
        if is_corruption(error):
            # The database is not closed: RocksDB deletes files by their paths, which are now those
            # of the next child's database.
            os._exit(_put_aside(connection, data_dir, error))
        return _fault(connection, *explain(str(error), data_dir))
    return 0


def _put_aside(connection: socket.socket, data_dir: Path, error: Exception) -> int:
    try:
        quarantine(data_dir)
    except (OSError, OpenError) as second:
        return _fault(connection, "failed", f"{error}; it cannot be set aside either: {second}")
    return _fault(connection, "corrupt", f"{error}; it was set aside, starting empty")


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
    fd, folder, limit, staleness = sys.argv[1:]
    status = main(
        int(fd), Path(folder), None if limit == "-" else int(limit), stale=staleness == "stale"
    )
    sys.stdout.flush()
    os._exit(status)  # a thread of RocksDB that waits for a slow disk must not delay the exit
