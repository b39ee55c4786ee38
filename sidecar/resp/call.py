"""One call of a command: its arguments, its client, and the versions that it reads and writes."""

from __future__ import annotations

from typing import NoReturn

from sidecar.model.entry import MAX_KEY_BYTES
from sidecar.resp.command import Command
from sidecar.resp.errors import SYNTAX, RespError, arity
from sidecar.resp.numbers import integer_of
from sidecar.resp.replies import bulk
from sidecar.resp.service import Service
from sidecar.resp.session import Session
from sidecar.resp.versions import Version, Versions

LARGE_BYTES = 4 << 10
"""A larger value takes memory from the budget until the reply has been sent."""
REPLY_COPIES = 2
"""Of a value: encoded, and joined with others."""
MOST_KEYS = 10_000
"""A command runs at one moment, in which nobody else is served: some 100 ms for so many."""


class Call:
    """Handed to what runs the command."""

    __slots__ = ("arguments", "client", "command", "service", "versions")

    def __init__(
        self,
        command: Command,
        arguments: list[bytes],
        client: Session,
        versions: Versions,
        service: Service,
    ) -> None:
        self.command = command
        self.arguments = arguments
        self.client = client
        self.versions = versions
        self.service = service

    def of(self, command: Command, arguments: list[bytes]) -> Call:
        """A call of another command that is a part of this one."""
        return Call(command, arguments, self.client, self.versions, self.service)

    @property
    def protocol(self) -> int:
        return self.client.protocol

    def full_keys(self) -> list[bytes]:
        """The full keys of all arguments that are keys. Raises RespError."""
        keys = list(self.command.keys.of(self.arguments))
        if len(keys) > MOST_KEYS:
            raise RespError(
                f"ERR A command has up to {MOST_KEYS:,} keys; this one has {len(keys):,}."
            )
        return [self.full_key(each) for each in keys]

    def key(self, index: int = 1) -> bytes:
        return self.full_key(self.arguments[index])

    def full_key(self, key: bytes) -> bytes:
        return checked(self.client.prefix, key)

    def get(self, index: int = 1) -> Version | None:
        """The version of the key that is this argument."""
        return self.versions.get(self.key(index))

    def bulk(self, value: bytes) -> bytes:
        """The reply that is a value, for which there is memory. Raises RespError."""
        if len(value) > LARGE_BYTES:
            self.client.hold(REPLY_COPIES * len(value))
        return bulk(value)

    def integer(self, index: int) -> int:
        return integer_of(self.arguments[index])

    def word(self, index: int) -> bytes:
        """An argument that is a word, in small letters; empty if there is none."""
        return self.arguments[index].lower() if index < len(self.arguments) else b""

    def now_ms(self) -> int:
        return int(self.client.clock() * 1000)

    def wrong_arity(self) -> NoReturn:
        raise arity(self.command.name)

    def wrong_syntax(self) -> NoReturn:
        raise RespError(SYNTAX)


def checked(prefix: bytes, key: bytes) -> bytes:
    """The full key. Raises RespError."""
    if not 1 <= len(key) <= MAX_KEY_BYTES:
        raise RespError(f"ERR A key is 1 to {MAX_KEY_BYTES:,} bytes; this one has {len(key):,}.")
    return prefix + key
