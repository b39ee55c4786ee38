"""Requests: bytes in, commands out. A command is a list of arguments, the first of which names it.

What comes as whole commands, as nearly all of it does, is parsed by hiredis at once. hiredis reads
replies, of which commands are one kind, and knows none of a server's limits; so whatever is
incomplete, inline, large or wrong is parsed here, in the way and with the words of Redis
(`processMultibulkBuffer` and `processInlineBuffer` in its networking.c). One file of more than 300
lines, so that both stand side by side.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

import hiredis

Command = list[bytes]

MOST_ARGUMENTS = 1024 * 1024
MOST_LINE_BYTES = 64 << 10
STRANGERS_ARGUMENTS, STRANGERS_BYTES = 10, 16 << 10
"""The most arguments, and bytes of one, that a client may send which has yet to authenticate."""
MOST_WHOLE_BYTES = 64 << 10
"""More is parsed while it is worked off, so that no turn of the loop takes long."""
LARGE_BYTES = 64 << 10
"""A larger argument takes memory from the budget before it has arrived."""
ARGUMENT_BYTES = 64
"""What an argument takes beside its bytes."""
COPIES = 2
"""Of an argument: as it comes in, and as it is handed on."""
ARGUMENTS_AT_ONCE = 256
"""More of one command are parsed in slices."""
SMALL_BYTES = 1 << 10
MOST_UNCOUNTED_BYTES = 4 << 10
"""What a request that is not complete may hold without the budget."""
_MANY_ARGUMENTS = re.compile(rb"\*[0-9]{5}").search
"""hiredis takes memory for as many as are announced."""
_ODD_ARGUMENT = re.compile(rb"\r\n(?:[+=(>~|]|_\r|\*-)").search
"""What may begin an argument that hiredis hands on like a bulk string, an array or an absent
one. It may also be in a value: that is parsed here then."""
_INTEGER = re.compile(rb"-?[1-9][0-9]{0,18}|0")
_TYPES = {int: ":", list: "*", dict: "%", bool: "#", float: ",", hiredis.ReplyError: "-"}
_COUNTED = frozenset({b"*", b"$"})
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}


class ProtocolError(Exception):
    """What was sent is no request. The connection can't be read on."""


class NoMemoryError(Exception):
    """There is no memory for a request now. The connection can't be read on."""


def fault_of(arguments: list[Any]) -> str | None:
    """What is wrong with a command of which hiredis, which knows more types, has read an argument
    that is no bulk string.
    """
    for each in arguments:
        if type(each) is not bytes:
            found = _TYPES.get(type(each))
            return f"expected '$', got '{found}'" if found else "invalid bulk length"
    return None


class WholeRequests:
    """Parses data that consists of whole commands. Nothing is kept, so one serves all clients."""

    def __init__(self) -> None:
        self._end = secrets.token_hex(8).encode()
        self._mark = b"$%d\r\n%b\r\n" % (len(self._end), self._end)
        """Comes behind the data. Were the last command incomplete, it would be taken for a part of
        that; nobody can send it."""
        self._begin()

    def parse(self, data: bytes) -> list[Command] | None:
        """The commands; None if it is anything else, or not whole."""
        parsed = self.parse_many([data])
        return parsed[0] if parsed else None

    def parse_many(self, pieces: list[bytes]) -> list[list[Command]] | None:
        """The commands of each piece; None if one of them is anything else, or not whole."""
        data = self._mark.join(pieces) if len(pieces) > 1 else pieces[0]
        if len(data) > MOST_WHOLE_BYTES or _MANY_ARGUMENTS(data) or _ODD_ARGUMENT(data):
            return None
        gets, end = self._gets, self._end
        parsed: list[list[Command]] = []
        try:
            self._feed(data)
            self._feed(self._mark)
            for _ in pieces:
                commands: list[Command] = []
                while type(command := gets()) is list:
                    if command:
                        commands.append(command)
                if command != end:
                    self._begin()
                    return None
                parsed.append(commands)
        except Exception:  # noqa: BLE001  (TypeError too, for a key of a map that is an array)
            self._begin()  # whatever it is, nothing of this may be left for the next client
            return None
        return parsed

    def _begin(self) -> None:
        reader: Any = hiredis.Reader()
        self._feed, self._gets = reader.feed, reader.gets


class Requests:
    """Parses what comes in any pieces.

    `take` takes memory from the budget, `give` gives it back; `most_bytes` says how large an
    argument may be, and `is_stranger` whether the client has yet to authenticate.
    """

    __slots__ = (
        "_arguments",
        "_arguments_bytes",
        "_buffer",
        "_give",
        "_held_bytes",
        "_is_stranger",
        "_most_bytes",
        "_position",
        "_size",
        "_take",
        "_wanted",
        "is_behind",
    )

    def __init__(
        self,
        most_bytes: Callable[[], int],
        take: Callable[[int], bool],
        give: Callable[[int], None],
        is_stranger: Callable[[], bool] = lambda: False,
    ) -> None:
        self._most_bytes = most_bytes
        self._is_stranger = is_stranger
        self._take = take
        self._give = give
        self._buffer = bytearray()
        self._position = 0
        self._arguments: Command = []  # of the command that is not complete
        self._arguments_bytes = 0  # what they take, about
        self._wanted = 0  # arguments that it lacks
        self._size: int | None = None  # of the next one, if that is known
        self._held_bytes = 0
        self.is_behind = False
        """Whether more of what was fed can be taken."""

    @property
    def has_little(self) -> bool:
        """Whether little is left of what was fed."""
        return len(self._buffer) - self._position <= SMALL_BYTES

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left of what was fed: no command is incomplete."""
        return not self._wanted and len(self._buffer) == self._position

    def feed(self, data: bytes) -> None:
        """Raises NoMemoryError."""
        if self._position:
            del self._buffer[: self._position]
            self._position = 0
        self._hold(COPIES * (len(self._buffer) + len(data)) + self._arguments_bytes)
        self._buffer += data

    def next(self) -> Command | None:
        """The next command; None if it is not complete, or if it `is_behind`: it has so many
        arguments that they are taken in several calls. Raises ProtocolError, NoMemoryError.
        """
        self.is_behind = False
        while True:
            if not self._wanted:
                line = self._line("mbulk count string", "inline request")
                if line is None:
                    return None
                if not line.startswith(b"*"):
                    if command := _split(line):
                        return self._complete(command)
                    continue
                count = _number(line[1:])
                if count is None or count > MOST_ARGUMENTS:
                    raise ProtocolError("invalid multibulk length")
                if count > STRANGERS_ARGUMENTS and self._is_stranger():
                    raise ProtocolError("unauthenticated multibulk length")
                self._wanted = max(0, count)
            most = len(self._arguments) + ARGUMENTS_AT_ONCE
            while self._wanted:
                if len(self._arguments) == most:
                    self.is_behind = True
                    self._hold_rest()
                    return None
                argument = self._argument()
                if argument is None:
                    self._hold_rest()
                    return None
                self._arguments.append(argument)
                self._arguments_bytes += len(argument) + ARGUMENT_BYTES
                self._wanted -= 1
            if self._arguments:
                command, self._arguments, self._arguments_bytes = self._arguments, [], 0
                return self._complete(command)

    def close(self) -> None:
        """Give back what is held."""
        self._give(self._held_bytes)
        self._held_bytes = 0
        self._buffer = bytearray()
        self._arguments = []
        self._arguments_bytes = self._position = self._wanted = 0

    def _complete(self, command: Command) -> Command:
        if len(self._buffer) == self._position:
            self._buffer.clear()
            self._position = 0
            if self._held_bytes:
                self._give(self._held_bytes)
                self._held_bytes = 0
        return command

    def _argument(self) -> bytes | None:
        if self._size is None:
            line = self._line("bulk count string", "bulk count string")
            if line is None:
                return None
            if not line.startswith(b"$"):
                raise ProtocolError(f"expected '$', got '{chr(line[0]) if line else chr(0)}'")
            size = _number(line[1:])
            if size is None or not 0 <= size <= self._most_bytes():
                raise ProtocolError("invalid bulk length")
            if size > STRANGERS_BYTES and self._is_stranger():
                raise ProtocolError("unauthenticated bulk length")
            if size > LARGE_BYTES:
                self._hold(COPIES * size + self._arguments_bytes)
            self._size = size
        begin, end = self._position, self._position + self._size
        if len(self._buffer) < end + 2:
            return None
        argument = bytes(memoryview(self._buffer)[begin:end])
        self._position = end + 2
        self._size = None
        if self._position > LARGE_BYTES:
            del self._buffer[: self._position]
            self._position = 0
        return argument

    def _line(self, counted: str, other: str) -> bytes | None:
        """The next line; None if it is not complete."""
        begin = self._position
        # A longer line is refused even if its end is there, which depends on how it has come.
        end = self._buffer.find(b"\n", begin, begin + MOST_LINE_BYTES + 1)
        if end < 0:
            if len(self._buffer) - self._position > MOST_LINE_BYTES:
                is_counted = bytes(self._buffer[self._position : self._position + 1]) in _COUNTED
                raise ProtocolError(f"too big {counted if is_counted else other}")
            return None
        line = bytes(self._buffer[self._position : end])
        self._position = end + 1
        return line.removesuffix(b"\r")

    def _hold_rest(self) -> None:
        """Hold what there is of a command that is not complete."""
        self._hold(COPIES * (len(self._buffer) - self._position) + self._arguments_bytes)

    def _hold(self, size: int) -> None:
        """Hold so many bytes of the budget, if they are more than need to be counted."""
        more = size - self._held_bytes
        if more <= 0 or size <= MOST_UNCOUNTED_BYTES:
            return
        if not self._take(more):
            raise NoMemoryError
        self._held_bytes += more


def _number(text: bytes) -> int | None:
    """As `string2ll` of Redis reads one; None if it is none."""
    return int(text) if _INTEGER.fullmatch(text) else None


def _split(line: bytes) -> Command:
    """The arguments of an inline request, as `sdssplitargs` of Redis separates them.

    Raises ProtocolError.
    """
    line = line.partition(b"\0")[0]  # as of a string in C
    arguments: Command = []
    at = 0
    while True:
        while line[at : at + 1] in _SPACES:
            at += 1
        if at == len(line):
            return arguments
        argument = bytearray()
        while at < len(line) and (here := line[at : at + 1]) not in _SPACES:
            at += 1
            if here in _QUOTES:
                at = _quoted(line, at, here, argument)
            else:
                argument += here
        arguments.append(bytes(argument))


def _quoted(line: bytes, at: int, quote: bytes, argument: bytearray) -> int:
    """Append what is in quotes, from `at` on; returns the position behind them."""
    while here := line[at : at + 1]:
        if here == b"\\" and quote == b'"' and at + 1 < len(line):
            at += _unescape(line, at, argument)
        elif quote == b"'" and line[at : at + 2] == b"\\'":
            argument += b"'"
            at += 2
        elif here == quote:
            if line[at + 1 : at + 2] not in _ENDS:
                break
            return at + 1
        else:
            argument += here
            at += 1
    raise ProtocolError("unbalanced quotes in request")


_SPACES = frozenset({b" ", b"\t", b"\n", b"\r", b"\v", b"\f"})
_ENDS = _SPACES | {b""}
_QUOTES = frozenset({b'"', b"'"})


def _unescape(line: bytes, at: int, argument: bytearray) -> int:
    """Append what an escape in double quotes stands for; returns its length."""
    if line[at + 1 : at + 2] == b"x" and re.fullmatch(rb"[0-9A-Fa-f]{2}", line[at + 2 : at + 4]):
        argument.append(int(line[at + 2 : at + 4], 16))
        return 4
    escaped = line[at + 1 : at + 2]
    argument += _ESCAPES.get(escaped, escaped)
    return 2
