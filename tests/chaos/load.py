"""The load: threads that write and read keys of their own over both protocols, and check it all."""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.chaos.commands import Commands
from tests.chaos.model import Group, Key
from tests.chaos.redis import Dial as RedisDial
from tests.chaos.redis import Redis

KEYS = 50
COUNTERS, GROUPS, GROUP_KEYS = 3, 4, 3
HANG_SECONDS = 5.0
"""A longer answer is a violation, unless the sidecar was stopped by a fault."""
GIVE_UP_SECONDS = 15.0
REFUSED = frozenset({404, 412, 503})


Dial = Callable[[], http.client.HTTPConnection]
"""Makes a connection, which connects with its first request."""


def over_tcp(port: int) -> Dial:
    return lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_SECONDS)


def over_unix(path: Path) -> Dial:
    return lambda: OverUnix(path)


class OverUnix(http.client.HTTPConnection):
    """A connection to a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=GIVE_UP_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


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
        self._dial = dial
        self._namespace = f"chaos{number}"
        self._connection: http.client.HTTPConnection | None = None
        self._count = 0
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
        self._drop()
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
        for key in self._all().values():
            key.durable = False

    def check_all(self, *, complete: bool) -> None:
        """Read every key; if `complete`, durable ones have to be there."""
        for name, key in self._all().items():
            status = self._get(name)
            give_up = time.monotonic() + HANG_SECONDS
            while status in {0, 503} and time.monotonic() < give_up:
                time.sleep(0.1)  # what the fault has left is still being worked on
                status = self._get(name)
            if status != 200 and complete and key.durable:
                self.violated(name, f"a durable value is gone: {status}")
                key.durable = False
        self._commands.read_groups(complete=complete)

    def _all(self) -> dict[str, Key]:
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
            self._commands.step()
            return
        name = self._rng.choice(list(self.keys))
        self._rng.choices(
            [self._put, self._get, self._remove, self._put_many, self._get_many, self._invalidate],
            [30, 50, 10, 4, 5, 0.3],
        )[0](name)

    def value_of(self, name: str) -> bytes:
        """One that was never put before."""
        self._count += 1
        size = self._rng.choices([20, 2_000, 20_000, 200_000], [50, 30, 15, 2])[0]
        head = f"{self._namespace}/{name}/{self._count}/".encode()
        return head + self._rng.randbytes(16).hex().encode() * (size // 32)

    def _put(self, name: str) -> None:
        value = self.value_of(name)
        status, headers, _ = self._ask("PUT", f"/v1/cache/{self._namespace}/{name}", value)
        durable = headers.get("Cache-Status", "").endswith("detail=l3")
        self.keys[name].put(value, answered=status in {201, 204}, durable=durable)

    def _get(self, name: str) -> int:
        """The status."""
        status, _, body = self._ask("GET", f"/v1/cache/{self._namespace}/{name}")
        found = body if status == 200 else None
        if wrong := self._all()[name].wrong(found):
            self.violated(name, wrong)
        return status

    def _remove(self, name: str) -> None:
        status, _, _ = self._ask("DELETE", f"/v1/cache/{self._namespace}/{name}")
        self.keys[name].delete(answered=status in {204, 404})

    def _put_many(self, _name: str) -> None:
        names = self._rng.sample(list(self.keys), 5)
        values = {name: self.value_of(name)[:2000] for name in names}
        entries = [{"key": name, "value": value} for name, value in values.items()]
        body = {"namespace": self._namespace, "entries": entries}
        status, answer = self._batch("/v1/mset", body)
        for at, (name, value) in enumerate(values.items()):
            told = answer["entries"][at]["status"] if status == 200 else 0
            self.keys[name].put(value, answered=told in {201, 204}, durable=False)

    def _get_many(self, _name: str) -> None:
        names = self._rng.sample(list(self.keys), 10)
        status, answer = self._batch("/v1/mget", {"namespace": self._namespace, "keys": names})
        if status != 200:
            return
        for entry in answer["entries"]:
            name = entry["key"] if isinstance(entry["key"], str) else entry["key"].decode()
            if wrong := self.keys[name].wrong(bytes(entry["value"])):
                self.violated(name, wrong)

    def _invalidate(self, _name: str) -> None:
        prefix = f"key{self._rng.randrange(10)}"
        body = json.dumps({"namespace": self._namespace, "prefix": prefix}).encode()
        status, _, _ = self._ask("POST", "/v1/invalidate", body)
        for name, key in self.keys.items():
            if name.startswith(prefix):
                key.delete(answered=status in {200, 204})

    # ---- requests

    def _batch(self, path: str, body: object) -> tuple[int, Any]:
        kind = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
        status, _, answer = self._ask("POST", path, msgspec.msgpack.encode(body), kind)
        return status, msgspec.msgpack.decode(answer) if status == 200 else None

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body; status 0 if there was no answer."""
        fault = self.fault
        self.tally.operations += 1
        with self._in_time(f"{method} {path}"):
            try:
                if self._connection is None:
                    self._connection = self._dial()
                self._connection.request(method, path, body, headers or {})
                answer = self._connection.getresponse()
                status, found, data = answer.status, dict(answer.headers), answer.read()
            except (OSError, http.client.HTTPException):
                self._drop()
                status, found, data = 0, {}, b""
                time.sleep(0.01)
        if status in {0, 503}:
            self.tally.unavailable[fault] += 1
        elif status >= 400 and status not in REFUSED:
            self.violated(path, f"{method} was answered {status} {data[:200]!r}")
        return status, found, data

    @contextmanager
    def _in_time(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        seconds = time.monotonic() - began
        if seconds > HANG_SECONDS and not self.may_hang:
            self.violated(what, f"no answer for {seconds:.1f} s")

    # ---- for the commands

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        self.tally.commands += 1
        with self._in_time(what):
            yield

    def unavailable(self) -> None:
        self.tally.unavailable[self.fault] += 1

    def l3_is_up(self) -> bool:
        status, _, body = self._ask("GET", "/v1/stats")
        return status == 200 and json.loads(body)["l3"]["state"] == "up"

    # ---- ends

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def violated(self, what: str, how: str) -> None:
        self.tally.violations.append(f"{self.fault}: {self._namespace}/{what}: {how}")
