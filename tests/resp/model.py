"""What both protocols are held against: a dict with lives, and what each command does with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any, NamedTuple

from sidecar.model.entry import DEFAULT_CONTENT_TYPE
from tests.resp.both import Wrong

OK = b"OK"
Parts = tuple[bytes, ...]


class Version(NamedTuple):
    """An entry. `number` is that of the step which has written it: two versions of a key differ in
    it, even if all else is the same.
    """

    value: bytes
    expires_at: float
    content_type: str
    number: int


class State:
    """Entries at one moment, and the keys of which the version has changed since."""

    def __init__(self, entries: dict[bytes, Version], now: float, step: int) -> None:
        self.entries = entries
        self.now = now
        self.changed: set[bytes] = set()
        self._step = step

    def get(self, key: bytes) -> Version | None:
        version = self.entries.get(key)
        return None if version is None or version.expires_at <= self.now else version

    def put(
        self, key: bytes, value: bytes, expires_at: float, content_type: str = DEFAULT_CONTENT_TYPE
    ) -> None:
        self.entries[key] = Version(value, expires_at, content_type, self._step)
        self.changed.add(key)

    def redate(self, key: bytes, version: Version, expires_at: float) -> None:
        self.put(key, version.value, expires_at, version.content_type)

    def drop(self, key: bytes) -> bool:
        """Whether there was one."""
        if self.get(key) is None:
            return False
        del self.entries[key]
        self.changed.add(key)
        return True

    def left_ms(self, version: Version) -> int:
        return (
            -1 if math.isinf(version.expires_at) else round((version.expires_at - self.now) * 1e3)
        )


Run = Callable[[State], Any]
"""Changes a state, and returns what is seen of that."""


class Beliefs:
    """What each key may hold. One thing, where nothing may be forgotten; otherwise always nothing
    as well.
    """

    def __init__(self, *, may_forget: bool) -> None:
        self.may_forget = may_forget
        self.now = 0.0
        self._possible: dict[bytes, set[Version | None]] = {}
        self._steps = 0

    def of(self, key: bytes) -> set[Version | None]:
        found = {
            None if version is None or version.expires_at <= self.now else version
            for version in self._possible.get(key, {None})
        }
        return found | {None} if self.may_forget else found

    def explain(self, keys: Iterable[bytes], seen: Any, *runs: Run) -> set[bytes]:
        """Keep what explains what was seen, by one of the `runs`; returns the keys that may have
        changed. Fails if nothing does.
        """
        names = list(dict.fromkeys(keys))
        self._steps += 1
        kept: dict[bytes, set[Version | None]] = {key: set() for key in names}
        changed: set[bytes] = set()
        expected = []
        for versions in product(*(self.of(key) for key in names)):
            entries = {key: each for key, each in zip(names, versions, strict=True) if each}
            for run in runs:
                state = State(dict(entries), self.now, self._steps)
                would_be_seen = run(state)
                if would_be_seen == seen:
                    changed |= state.changed
                    for key in names:
                        kept[key].add(state.get(key))
                elif would_be_seen not in expected:
                    expected.append(would_be_seen)
        assert all(kept.values()), f"{seen!r:.1000} was seen, instead of {expected!r:.1000}"
        self._possible |= kept
        return changed

    def remove(self, scope: bytes) -> None:
        """All that is below it."""
        self._possible = {
            key: has for key, has in self._possible.items() if key[: len(scope)] != scope
        }

    def live(self, scope: bytes) -> dict[bytes, Version]:
        """All that may be there."""
        return {
            key: version
            for key in self._possible
            if key.startswith(scope)
            for version in self.of(key)
            if version is not None
        }


# ---- commands


def run(state: State, space: bytes, command: Parts) -> Any:  # noqa: PLR0911, PLR0912
    """What Redis answers."""
    name, arguments = command[0], command[1:]
    keys = keys_of(space, command)
    key = keys[0]
    old = state.get(key)
    match name:
        case b"GET":
            return None if old is None else old.value
        case b"SET":
            return _set(state, key, arguments[1], arguments[2:])
        case b"GETSET":
            state.put(key, arguments[1], math.inf)
            return None if old is None else old.value
        case b"GETDEL":
            state.drop(key)
            return None if old is None else old.value
        case b"GETEX":
            if old is None:
                return None
            if arguments[1:2] == (b"PERSIST",):
                if not math.isinf(old.expires_at):
                    state.redate(key, old, math.inf)
            elif len(arguments) > 1:
                state.redate(key, old, _life(state, *arguments[1:]))
            return old.value
        case b"MGET":
            return [None if (has := state.get(each)) is None else has.value for each in keys]
        case b"MSET" | b"MSETNX":
            if name == b"MSETNX" and any(state.get(each) for each in keys):
                return 0
            for each, value in zip(keys, arguments[1::2], strict=True):
                state.put(each, value, math.inf)
            return OK if name == b"MSET" else 1
        case b"INCRBY":
            return _incr(state, key, int(arguments[1]))
        case b"APPEND":
            return _replace(state, key, (old.value if old else b"") + arguments[1])
        case b"SETRANGE":
            at, part, value = int(arguments[1]), arguments[2], old.value if old else b""
            if not part:
                return len(value)
            return _replace(
                state, key, value[:at].ljust(at, b"\0") + part + value[at + len(part) :]
            )
        case b"STRLEN":
            return len(old.value) if old else 0
        case b"GETRANGE":
            start, end = int(arguments[1]), int(arguments[2])
            return old.value[start : end + 1] if old else b""
        case b"DEL":
            return sum([state.drop(each) for each in keys])
        case b"EXISTS":
            return sum(state.get(each) is not None for each in keys)
        case b"PTTL":
            return -2 if old is None else state.left_ms(old)
        case b"EXPIRE":
            return _expire(state, key, int(arguments[1]), arguments[2:])
        case b"PERSIST":
            if old is None or math.isinf(old.expires_at):
                return 0
            state.redate(key, old, math.inf)
            return 1
        case b"RENAME" | b"RENAMENX":
            return _rename(state, *keys, only_new=name == b"RENAMENX")
        case b"COPY":
            if keys[0] == keys[1]:
                return Wrong("ERR")
            if old is None or (state.get(keys[1]) and b"REPLACE" not in arguments):
                return 0
            state.put(keys[1], old.value, old.expires_at, old.content_type)
            return 1
    raise AssertionError(command)


def keys_of(space: bytes, command: Parts) -> list[bytes]:
    name, arguments = command[0], command[1:]
    match name:
        case b"MGET" | b"DEL" | b"EXISTS":
            keys = arguments
        case b"MSET" | b"MSETNX":
            keys = arguments[::2]
        case b"RENAME" | b"RENAMENX" | b"COPY":
            keys = arguments[:2]
        case _:
            keys = arguments[:1]
    return [space + b"/" + key for key in keys]


def _life(state: State, option: bytes, number: bytes) -> float:
    return state.now + int(number) / (1000 if option == b"PX" else 1)


def _set(state: State, key: bytes, value: bytes, options: Parts) -> Any:
    old = state.get(key)
    told = None if old is None else old.value
    if (b"NX" in options and old) or (b"XX" in options and not old):
        return told if b"GET" in options else None
    expires_at = math.inf
    for at, option in enumerate(options):
        if option in {b"EX", b"PX"}:
            expires_at = _life(state, option, options[at + 1])
    if b"KEEPTTL" in options and old:
        expires_at = old.expires_at
    state.put(key, value, expires_at)
    return told if b"GET" in options else OK


def _incr(state: State, key: bytes, change: int) -> Any:
    old = state.get(key)
    try:
        number = change + (0 if old is None else int(old.value))
    except ValueError:
        return Wrong("ERR")
    state.put(key, b"%d" % number, old.expires_at if old else math.inf)
    return number


def _replace(state: State, key: bytes, value: bytes) -> int:
    old = state.get(key)
    state.put(key, value, old.expires_at if old else math.inf)
    return len(value)


def _expire(state: State, key: bytes, seconds: int, flags: Parts) -> int:
    old, when = state.get(key), state.now + seconds
    if old is None:
        return 0
    endless = math.isinf(old.expires_at)
    if (
        (b"NX" in flags and not endless)
        or (b"XX" in flags and endless)
        or (b"GT" in flags and when <= old.expires_at)
        or (b"LT" in flags and when >= old.expires_at)
    ):
        return 0
    if seconds <= 0:
        state.drop(key)
    else:
        state.redate(key, old, when)
    return 1


def _rename(state: State, source: bytes, target: bytes, *, only_new: bool) -> Any:
    old = state.get(source)
    if old is None:
        return Wrong("ERR")
    if source == target:
        return 0 if only_new else OK
    if only_new and state.get(target):
        return 0
    state.put(target, old.value, old.expires_at, old.content_type)
    state.drop(source)
    return 1 if only_new else OK
