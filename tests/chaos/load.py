"""The load: threads that write and read keys of their own over both protocols, and check it all."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.chaos.calls import GIVE_UP_SECONDS, Calls, Dial
from tests.chaos.commands import Commands
from tests.chaos.model import Group, Key
from tests.chaos.redis import Dial as RedisDial
from tests.chaos.redis import Redis

KEYS = 50
COUNTERS, GROUPS, GROUP_KEYS = 3, 4, 3
HANG_SECONDS = 5.0
"""A longer answer is a violation, unless the sidecar was stopped by a fault."""


@dataclass
class Tally:
    """What all workers have seen."""

    operations: int = 0
    """Over HTTP."""
    commands: int = 0
    """Over the Redis protocol."""
    unavailable: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


class Worker(threading.Thread):
    """Writes and reads the keys of one namespace, one request at a time."""

    def __init__(self, number: int, dial: Dial, redis_dial: RedisDial, seed: int) -> None:
        super().__init__(name=f"worker {number}", daemon=True)
        self._rng = random.Random(f"{seed}/{number}")
        self._namespace = f"chaos{number}"
        self._count = 0
        self._calls = Calls(self, dial, self._namespace, self._rng)
        self._redis = Redis(redis_dial, self._namespace)
        self._commands = Commands(self, self._redis, self._rng)
        self.keys = {f"key{name}": Key() for name in range(KEYS)}
        self.counters = {f"counter{name}": Key() for name in range(COUNTERS)}
        self.groups = {
            f"group{name}": Group([Key() for _ in range(GROUP_KEYS)]) for name in range(GROUPS)
        }
        self.tally = Tally()
        self.fault = "none"
        self.may_hang = False
        self._go = threading.Event()
        self._idle = threading.Event()
        self._end = False

    # ---- from outside

    def run(self) -> None:
        while not self._end:
            if not self._go.is_set():
                self._idle.set()
                self._go.wait(0.05)
                continue
            self._idle.clear()
            self.step()
        self._calls.drop()
        self._redis.drop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is asked meanwhile."""
        self._go.clear()
        assert self._idle.wait(2 * GIVE_UP_SECONDS), f"{self.name} waits for an answer for ever"
        yield
        self._go.set()
        self._idle.clear()

    def begin(self) -> None:
        self.start()
        self._go.set()

    def finish(self) -> None:
        self._go.clear()
        self._end = True
        self.join(2 * GIVE_UP_SECONDS)

    def forget(self) -> None:
        """What has happened may lose any entry."""
        for key in self.all_keys().values():
            key.durable = False

    def check_all(self, *, complete: bool) -> None:
        """Read every key; if `complete`, durable ones have to be there."""
        for name, key in self.all_keys().items():
            status = self._calls.get(name)
            give_up = time.monotonic() + HANG_SECONDS
            # What the fault has left is still being worked on. What L3 does not answer is a miss.
            while (
                status in {0, 503} or (status == 404 and complete and key.durable)
            ) and time.monotonic() < give_up:
                time.sleep(0.1)
                status = self._calls.get(name)
            if status != 200 and complete and key.durable:
                self.violated(name, f"a durable value is gone: {status}")
                key.durable = False
        self._commands.read_groups(complete=complete)

    def all_keys(self) -> dict[str, Key]:
        grouped = {
            f"{name}.{part}": key
            for name, group in self.groups.items()
            for part, key in enumerate(group.keys)
        }
        return self.keys | self.counters | grouped

    # ---- operations

    def step(self) -> None:
        """One random operation, over either protocol."""
        if self._rng.random() < 0.5:
            self.tally.commands += 1
            self._commands.step()
        else:
            self.tally.operations += 1
            self._calls.step()

    def value_of(self, name: str) -> bytes:
        """One that was never put before."""
        self._count += 1
        size = self._rng.choices([20, 2_000, 20_000, 200_000], [50, 30, 15, 2])[0]
        head = f"{self._namespace}/{name}/{self._count}/".encode()
        return head + self._rng.randbytes(16).hex().encode() * (size // 32)

    # ---- for the operations

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        seconds = time.monotonic() - began
        if seconds > HANG_SECONDS and not self.may_hang:
            self.violated(what, f"no answer for {seconds:.1f} s")

    def unavailable(self) -> None:
        self.tally.unavailable[self.fault] += 1

    def l3_is_up(self) -> bool:
        status, _, body = self._calls.ask("GET", "/v1/stats")
        return status == 200 and json.loads(body)["l3"]["state"] == "up"

    def violated(self, what: str, how: str) -> None:
        self.tally.violations.append(f"{self.fault}: {self._namespace}/{what}: {how}")
