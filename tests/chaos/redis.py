"""A connection to the Redis protocol, and what its replies say of what has happened."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hiredis

from tests.resp.servers import encoded

GIVE_UP_SECONDS = 15.0
UNCHANGED = ("TRYAGAIN", "OOM", "ERR max number of clients")
"""What an error begins with that says that nothing was changed; that of an EXEC, behind this."""
DISCARDED = "EXECABORT Transaction discarded because of: "
UNKNOWN = "is not known"
"""What one has in it that says that a write may be lost."""

Dial = Callable[[], socket.socket]


def over_tcp(port: int) -> Dial:
    return lambda: socket.create_connection(("127.0.0.1", port), GIVE_UP_SECONDS)


def over_unix(path: Path) -> Dial:
    def dial() -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(GIVE_UP_SECONDS)
        try:
            made.connect(str(path))
        except OSError:
            made.close()
            raise
        return made

    return dial


class Redis:
    """A client in one namespace, which connects when it is asked."""

    def __init__(self, dial: Dial, namespace: str) -> None:
        self._dial = dial
        self._namespace = namespace.encode()
        self._socket: socket.socket | None = None
        self._reader: Any = None

    def ask(self, *commands: Sequence[bytes]) -> list[Any] | None:
        """The replies to these commands, sent at once; None if they did not come."""
        try:
            if self._socket is None:
                self._socket = self._dial()
                self._reader = hiredis.Reader(notEnoughData=Ellipsis)
                [selected] = self._exchange([(b"SELECT", self._namespace)])
                if selected != b"OK":
                    self.drop()
                    return [selected] * len(commands)
            return self._exchange(commands)
        except (OSError, hiredis.HiredisError):
            self.drop()
            return None

    def _exchange(self, commands: Sequence[Sequence[bytes]]) -> list[Any]:
        assert self._socket is not None
        self._socket.sendall(b"".join(map(encoded, commands)))
        replies: list[Any] = []
        while len(replies) < len(commands):
            if (reply := self._reader.gets()) is not Ellipsis:
                replies.append(reply)
                continue
            data = self._socket.recv(1 << 18)
            if not data:
                raise ConnectionResetError
            self._reader.feed(data)
        return replies

    def drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def says_unchanged(reply: Any) -> bool:
    is_error = isinstance(reply, hiredis.ReplyError)
    return is_error and str(reply).removeprefix(DISCARDED).startswith(UNCHANGED)


def says_unknown(reply: Any) -> bool:
    """Whether a write may have happened, and may not."""
    return reply is None or (isinstance(reply, hiredis.ReplyError) and UNKNOWN in str(reply))
