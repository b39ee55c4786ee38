"""How long an entry lives, as options of commands state it. Times are of the wall clock."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.api.integers import LEAST, MOST
from sidecar.resp.call import Call
from sidecar.resp.errors import expire_time

UNITS_MS = {b"ex": 1000, b"px": 1, b"exat": 1000, b"pxat": 1}


@dataclass(slots=True)
class Options:
    """Of SET and GETEX. `option` is the name of the one that states a life, if there is one, and
    `stated` is the number of the argument that says how long.
    """

    option: bytes = b""
    stated: int = 0
    nx: bool = False
    xx: bool = False
    get: bool = False
    keep: bool = False
    persist: bool = False

    def expires_at(self, call: Call) -> float:
        """Raises RespError."""
        is_relative = self.option in {b"ex", b"px"}
        return expiry_of(
            call, call.integer(self.stated), UNITS_MS[self.option], is_relative=is_relative
        )


def options_of(call: Call, start: int, allowed: frozenset[bytes]) -> Options:
    """Parse the options from the argument `start` on. Raises RespError."""
    options = Options()
    index = start
    while index < len(call.arguments):
        word = call.word(index)
        if word not in allowed:
            call.wrong_syntax()
        if word in UNITS_MS:
            index += 1
            is_other = options.option not in {b"", word}  # the same may be repeated
            if is_other or options.keep or options.persist or index == len(call.arguments):
                call.wrong_syntax()
            options.option = word
            options.stated = index
        elif word in {b"keepttl", b"persist"}:
            if options.option or (options.persist if word == b"keepttl" else options.keep):
                call.wrong_syntax()
            options.keep |= word == b"keepttl"
            options.persist |= word == b"persist"
        elif word == b"get":
            options.get = True
        elif options.xx if word == b"nx" else options.nx:
            call.wrong_syntax()
        else:
            options.nx |= word == b"nx"
            options.xx |= word == b"xx"
        index += 1
    return options


def expiry_of(call: Call, value: int, unit_ms: int, *, is_relative: bool) -> float:
    """The time of expiry that a positive number states. Raises RespError."""
    name = call.command.name
    if value <= 0 or value > MOST // unit_ms:
        raise expire_time(name)
    milliseconds = value * unit_ms
    if is_relative:
        if milliseconds > MOST - call.now_ms():
            raise expire_time(name)
        milliseconds += call.now_ms()
    return milliseconds / 1000


def when_of(call: Call, value: int, unit_ms: int, *, is_relative: bool) -> int:
    """The same in milliseconds, for a number that may lie in the past. Raises RespError."""
    name = call.command.name
    if not LEAST // unit_ms <= value <= MOST // unit_ms:
        raise expire_time(name)
    base = call.now_ms() if is_relative else 0
    if base and value * unit_ms > MOST - base:
        raise expire_time(name)
    return value * unit_ms + base
