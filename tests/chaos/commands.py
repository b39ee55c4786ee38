"""The operations of a worker over the Redis protocol."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, Protocol

import hiredis

from tests.chaos.model import Group, Key
from tests.chaos.redis import Redis, says_unchanged, says_unknown

SURE_SECONDS = 0.2
"""L3, which was up before and after so short a time, was up meanwhile."""
MOST_ALLOWED = 4
"""Of a value that is appended to without an answer, there are twice as many each time."""
OK = b"OK"
Bytes = list[bytes]


class Owner(Protocol):
    """The worker whose keys they are."""

    keys: dict[str, Key]
    counters: dict[str, Key]
    groups: dict[str, Group]

    def value_of(self, name: str) -> bytes: ...
    def violated(self, what: str, how: str) -> None: ...
    def l3_is_up(self) -> bool: ...
    def timed(self, what: str) -> Any:
        """A context in which an answer is waited for."""

    def unavailable(self) -> None:
        """There was no answer, or one that refuses."""


class Commands:
    """Asks, and holds what is replied against the model."""

    def __init__(self, owner: Owner, redis: Redis, rng: random.Random) -> None:
        self._owner = owner
        self._redis = redis
        self._rng = rng

    def step(self) -> None:
        """One random operation."""
        name = self._rng.choice(list(self._owner.keys))
        operations: list[tuple[Callable[[str], None], float]] = [
            (self._get, 30),
            (self._set, 15),
            (self._set_with_a_life, 3),
            (self._set_if, 6),
            (self._delete, 4),
            (self._getdel, 3),
            (self._append, 5),
            (self._mset, 3),
            (self._mget, 5),
            (self._incr, 10),
            (self._write_group, 10),
            (self._read_group, 10),
        ]
        self._rng.choices([each for each, _ in operations], [share for _, share in operations])[0](
            name
        )

    def read_groups(self, *, complete: bool) -> None:
        """Read all; those that are durable have to be there if it is `complete`."""
        for name, group in self._owner.groups.items():
            found = self._read(name, group)
            if found is None or not complete:
                continue
            for key, value in zip(group.keys, found, strict=True):
                if key.durable and value is None:
                    self._owner.violated(name, "a durable value of a transaction is gone")
                    key.durable = False

    # ---- replies

    def _ask(self, *commands: Bytes) -> Any:
        """The last reply; None as well if there was none. Errors that refuse are replies."""
        what = b" ".join(each[0] for each in commands).decode()
        with self._owner.timed(what):
            replies = self._redis.ask(*commands)
        if replies is None:
            self._owner.unavailable()
            time.sleep(0.01)
            return Lost
        reply = replies[-1]
        if says_unchanged(reply):
            self._owner.unavailable()
            return Refused
        if says_unknown(reply) and reply is not None:
            self._owner.unavailable()
            return Lost
        if isinstance(reply, hiredis.ReplyError):
            if "EXECABORT" in str(reply) and any(map(says_unchanged, replies)):
                self._owner.unavailable()
                return Refused
            self._owner.violated(what, f"was answered {reply}")
        return reply

    @contextmanager
    def _watching_l3(self) -> Any:
        """Yields what says afterwards whether L3 has been up all the time. It is asked seldom."""
        looks = self._rng.random() < 0.3
        began = time.monotonic()
        was_up = looks and self._owner.l3_is_up()

        def stayed_up() -> bool:
            is_up = was_up and self._owner.l3_is_up()
            return is_up and time.monotonic() - began < SURE_SECONDS

        yield stayed_up

    # ---- one key

    def _get(self, name: str) -> None:
        found = self._ask([b"GET", name.encode()])
        if found not in {Lost, Refused} and (wrong := self._owner.keys[name].wrong(found)):
            self._owner.violated(name, wrong)

    def _set(self, name: str) -> None:
        self._put(name, [])

    def _set_with_a_life(self, name: str) -> None:
        self._put(name, [b"PX", b"%d" % self._rng.choice([50, 500, 5_000])])

    def _put(self, name: str, options: Bytes) -> None:
        value = self._owner.value_of(name)
        with self._watching_l3() as stayed_up:
            reply = self._ask([b"SET", name.encode(), value, *options])
            if reply is not Refused:
                durable = reply == OK and not options and stayed_up()
                self._owner.keys[name].put(value, answered=reply == OK, durable=durable)

    def _set_if(self, name: str) -> None:
        """It says if there was something, so there has to have been something."""
        value, option = self._owner.value_of(name), self._rng.choice([b"NX", b"XX"])
        key, reply = self._owner.keys[name], self._ask([b"SET", name.encode(), value, option])
        if reply is Refused:
            return
        if reply is Lost:
            key.put(value, answered=False, durable=False)
        elif (reply == OK) is (option == b"XX") and not key.allowed:
            self._owner.violated(name, f"{option.decode()} has found what is not there")
        if reply == OK:
            key.put(value, answered=True, durable=False)

    def _delete(self, name: str) -> None:
        reply = self._ask([b"DEL", name.encode()])
        if reply is not Refused:
            self._owner.keys[name].delete(answered=reply is not Lost)

    def _getdel(self, name: str) -> None:
        key, found = self._owner.keys[name], self._ask([b"GETDEL", name.encode()])
        if found is Refused:
            return
        if found is not Lost and (wrong := key.wrong(found)):
            self._owner.violated(name, wrong)
        key.delete(answered=found is not Lost)

    def _append(self, name: str) -> None:
        key = self._owner.keys[name]
        if len(key.allowed) > MOST_ALLOWED or any(len(each) > 50_000 for each in key.allowed):
            self._put(name, [])
            return
        part = b"+%d" % self._rng.randrange(1 << 30)
        reply = self._ask([b"APPEND", name.encode(), part])
        if reply is not Refused:
            fits = None if reply is Lost else lambda value: len(value) == reply
            wrong = key.change(
                lambda old: (old or b"") + part, fits, durable=False, was_there=False
            )
            if wrong:
                self._owner.violated(name, f"APPEND was answered {reply}: {wrong}")

    def _incr(self, _name: str) -> None:
        """A counter goes up by one; it begins again only if it may have been forgotten."""
        name = self._rng.choice(list(self._owner.counters))
        with self._watching_l3() as stayed_up:
            reply = self._ask([b"INCR", name.encode()])
            if reply is Refused:
                return
            stayed = reply is not Lost and stayed_up()
        fits = None if reply is Lost else lambda value: value == b"%d" % reply
        wrong = self._owner.counters[name].change(
            lambda old: b"%d" % (int(old or 0) + 1), fits, durable=stayed, was_there=stayed
        )
        if wrong:
            self._owner.violated(name, f"INCR was answered {reply}: {wrong}")

    # ---- several keys

    def _mset(self, _name: str) -> None:
        names = self._rng.sample(list(self._owner.keys), 4)
        values = {name: self._owner.value_of(name)[:2000] for name in names}
        pairs = [part for name, value in values.items() for part in (name.encode(), value)]
        reply = self._ask([b"MSET", *pairs])
        if reply is not Refused:
            for name, value in values.items():
                self._owner.keys[name].put(value, answered=reply == OK, durable=False)

    def _mget(self, _name: str) -> None:
        names = self._rng.sample(list(self._owner.keys), 10)
        found = self._ask([b"MGET", *[name.encode() for name in names]])
        if isinstance(found, list):
            for name, value in zip(names, found, strict=True):
                if wrong := self._owner.keys[name].wrong(value):
                    self._owner.violated(name, wrong)

    def _write_group(self, _name: str) -> None:
        """All of it in one transaction, or in one MSET."""
        name, group = self._rng.choice(list(self._owner.groups.items()))
        mark = self._owner.value_of(name).split(b"/")[2]
        values = [mark + b"/" + b"x" * self._rng.choice([10, 3_000, 30_000]) for _ in group.keys]
        names = _names_of(name, group)
        with self._watching_l3() as stayed_up:
            if self._rng.random() < 0.7:
                sets = [[b"SET", *pair] for pair in zip(names, values, strict=True)]
                reply = self._ask([b"MULTI"], *sets, [b"EXEC"])
                done = reply == [OK] * len(sets)
            else:
                pairs = [part for pair in zip(names, values, strict=True) for part in pair]
                reply = self._ask([b"MSET", *pairs])
                done = reply == OK
            if not done and reply not in (Lost, Refused):
                self._owner.violated(name, f"a transaction was answered {reply!r:.200}")
            if reply is not Refused:
                group.put(values, answered=done, durable=done and stayed_up())

    def _read_group(self, _name: str) -> None:
        name, group = self._rng.choice(list(self._owner.groups.items()))
        self._read(name, group)

    def _read(self, name: str, group: Group) -> list[bytes | None] | None:
        found = self._ask([b"MGET", *_names_of(name, group)])
        if not isinstance(found, list):
            return None
        if wrong := group.wrong(found):
            self._owner.violated(name, wrong)
        return found


class Lost:
    """There was no reply, or one that says that it is not known what has happened."""


class Refused:
    """Nothing has happened."""


def _names_of(name: str, group: Group) -> Bytes:
    return [f"{name}.{part}".encode() for part in range(len(group.keys))]
