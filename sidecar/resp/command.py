"""What a command is: its name, how many arguments it has, which are keys, and what it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sidecar.resp.errors import RespError
from sidecar.resp.numbers import integer_of
from sidecar.resp.replies import array, simple

Reply = bytes | Callable[[], bytes]
"""Encoded, or what encodes it once all effects of the command are known."""
Run = Callable[[Any], Reply]
"""Takes a `Call`, which knows its command. Raises RespError, or WriteError of the store."""
RunLater = Callable[[Any], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Keys:
    """Which arguments are keys: from `first` to `last`, which counts from the end if negative, each
    `step`-th. None if `first` is 0.
    """

    first: int = 0
    last: int = 0
    step: int = 0

    def of(self, arguments: list[bytes]) -> Iterator[bytes]:
        if self.first:
            last = self.last if self.last >= 0 else len(arguments) + self.last
            yield from arguments[self.first : last + 1 : self.step]


class CountedKeys(Keys):
    """The number of keys is an argument, and they follow it. Clients that want to know them ask by
    COMMAND GETKEYS.
    """

    __slots__ = ()

    def of(self, arguments: list[bytes]) -> Iterator[bytes]:
        """Raises RespError."""
        count = integer_of(arguments[COUNT_AT])
        if count > len(arguments) - COUNT_AT - 1:
            raise RespError("ERR Number of keys can't be greater than number of args")
        if count < 0:
            raise RespError("ERR Number of keys can't be negative")
        yield from arguments[COUNT_AT + 1 : COUNT_AT + 1 + count]


COUNT_AT = 2
HELP_FLAGS = frozenset({"loading", "stale"})
NO_KEYS = Keys()
ONE_KEY = Keys(1, 1, 1)
TWO_KEYS = Keys(1, 2, 1)
ALL_KEYS = Keys(1, -1, 1)
PAIRS = Keys(1, -1, 2)


@dataclass(frozen=True, slots=True)
class Command:
    """A command. `arity` counts the name; if it is negative, there may be more."""

    name: str
    arity: int
    run: Run | None = None
    keys: Keys = NO_KEYS
    reads: bool = False
    """Its keys are looked up before it runs."""
    depends: Callable[[list[bytes]], bool] | None = None
    """Whether, with these arguments, it reads although others do not."""
    looked_up: Callable[[Any], list[bytes]] | None = None
    """The full keys that it reads, where they are not its keys in its client's namespace."""
    writes: bool = False
    later: RunLater | None = None
    """What does it with waits of its own, instead of `run`, which is for transactions then."""
    at_once: Callable[[Any], bytes | None] | None = None
    """What `later` would reply, where that takes no wait; else None, and nothing was done."""
    flags: frozenset[str] = frozenset()
    parts: Mapping[str, Command] = field(default_factory=lambda: MappingProxyType({}))
    """Its subcommands."""

    def takes(self, arguments: list[bytes]) -> bool:
        count = len(arguments)
        return count == self.arity if self.arity >= 0 else count >= -self.arity


def container(
    name: str, *parts: Command, run: Run | None = None, flags: frozenset[str] = frozenset()
) -> Command:
    """A command whose first argument names one of its parts, such as `client|id`; `run` is what it
    does without one. HELP is a part of each.
    """
    named = {part.name.partition("|")[2]: part for part in parts}
    help_ = Command(f"{name}|help", 2, lambda _: _help(name, named), flags=HELP_FLAGS)
    arity = -2 if run is None else -1
    return Command(name, arity, run, flags=flags, parts=MappingProxyType(named | {"help": help_}))


def _help(name: str, names: Iterable[str]) -> bytes:
    lines = [f"{name.upper()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    lines += [each.upper() for each in sorted(names)]
    lines += ["HELP", "    Print this help."]
    return array([simple(line.encode()) for line in lines])
