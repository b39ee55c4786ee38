"""The sides of cases: a server under a load, measured from outside."""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Literal

from tests.bench.filling import MIB, REDIS_KEY, SEED, Values, noise, redis_set
from tests.bench.load import Load, memcslap, redis_benchmark, wrk
from tests.bench.measuring import (
    ANONYMOUS,
    AS_MEANT,
    CPU,
    MAIN_CPU,
    P50,
    P99,
    P999,
    RATE,
    RESIDENT,
    Figures,
)
from tests.bench.processes import anonymous, rss
from tests.bench.servers import Aiohttp, Memcached, Redis, Running, Server, Sidecar

WARM_UP = 5_000
"""Operations before each round; their rate gives the number of the round."""
WARM_UP_BYTES = 256 * MIB
"""Fewer operations where their values are larger than this in all."""
DEEP = 50_000
"""Keys of which memory holds a fiftieth at most, with the default configuration."""

Answered = Literal["l1", "l2", "l3", "miss", "written"]


@dataclass(frozen=True, slots=True)
class Http:
    """Requests for random keys over HTTP, by wrk. For a hit, all keys are put before."""

    server: Sidecar | Aiohttp
    answered: Answered
    keys: int = 100
    size: int = 256
    connections: int = 16
    values: Values = noise
    """Of the keys that are put before; wrk puts random bytes."""

    def prepare(self, server: Running) -> None:
        is_filled = isinstance(self.server, Sidecar) and self.server.in_l3 >= self.keys
        if self.answered in ("l1", "l2") or (self.answered == "l3" and not is_filled):
            self.server.fill(server, first(self.keys, self.values, self.size))
        self.load(server, 1)

    def measure(self, server: Running, seconds: int) -> Figures:
        run = partial(self.load, server, seconds)
        figures, load = proven(self.server, server, self.answered, run)
        wrong = load.operations - load.errors if self.answered == "miss" else load.errors
        figures[AS_MEANT] = min(figures[AS_MEANT], 1 - wrong / load.operations)
        return figures

    def load(self, server: Running, seconds: int) -> Load:
        return wrk(
            server,
            method="PUT" if self.answered == "written" else "GET",
            namespace="absent" if self.answered == "miss" else "bench",
            keys=self.keys,
            size=self.size,
            connections=self.connections,
            seconds=seconds,
        )


@dataclass(frozen=True, slots=True)
class Beside:
    """Another side while 16 connections read keys that are only in L3, and 4 write.

    The server has those keys from its start.
    """

    side: Http

    @property
    def server(self) -> Server:
        return self.side.server

    def prepare(self, server: Running) -> None:
        self.side.prepare(server)

    def measure(self, server: Running, seconds: int) -> Figures:
        others = [
            threading.Thread(
                target=wrk,
                args=(server,),
                kwargs={"keys": DEEP, "seconds": seconds + 1, **what},
            )
            for what in (
                {"connections": 16},
                {"namespace": "written", "connections": 4, "method": "PUT"},
            )
        ]
        for other in others:
            other.start()
        try:
            return self.side.measure(server, seconds)
        finally:
            for other in others:
                other.join()


@dataclass(frozen=True, slots=True)
class RedisBenchmark:
    """Random keys over the Redis protocol, under Redis's own benchmark, which stops at an error.

    All keys are set before; those of misses are of another database.
    """

    server: Redis | Sidecar
    answered: Answered
    keys: int = 100
    size: int = 256
    connections: int = 16
    pipeline: int = 1

    def prepare(self, server: Running) -> None:
        redis_set(server.resp_port, first(self.keys, noise, self.size), REDIS_KEY)
        self._warm_up(server)

    def measure(self, server: Running, seconds: int) -> Figures:
        operations = _as_many(self._warm_up(server), seconds)
        run = partial(self._load, server, operations)
        return proven(self.server, server, self.answered, run)[0]

    def _warm_up(self, server: Running) -> Load:
        # In pipelines, 5,000 take less than the 0.01 s to which redis-benchmark rounds.
        operations = WARM_UP * self.pipeline
        return self._load(server, min(operations, WARM_UP_BYTES // self.size))

    def _load(self, server: Running, operations: int) -> Load:
        return redis_benchmark(
            server,
            "set" if self.answered == "written" else "get",
            database=1 if self.answered == "miss" else 0,
            keys=self.keys,
            size=self.size,
            connections=self.connections,
            pipeline=self.pipeline,
            operations=operations,
        )


@dataclass(frozen=True, slots=True)
class Memcslap:
    """memcached under the benchmark of libmemcached.

    It has no option for the size of values: `MEMCSLAP_BYTES` is the mean of those that it draws.
    """

    server: Memcached
    command: Literal["get", "set"]
    connections: int = 16

    def prepare(self, server: Running) -> None:
        self._load(server, 10)

    def measure(self, server: Running, seconds: int) -> Figures:
        warm_up = self._load(server, WARM_UP // self.connections)
        each = _as_many(warm_up, seconds) // self.connections
        return measured(server, lambda: self._load(server, each))[0]

    def _load(self, server: Running, each: int) -> Load:
        return memcslap(server, self.command, connections=self.connections, operations=each)


MEMCSLAP_BYTES = 2560


@dataclass(frozen=True, slots=True)
class Full:
    """Resident memory that entries take: growth of all processes. For a server of its own."""

    server: Sidecar | Redis
    entries: int
    size: int = 256
    values: Values = noise

    def prepare(self, server: Running) -> None:
        """It is measured from the start."""

    def measure(self, server: Running, seconds: int) -> Figures:
        before = _resident(server)
        self.server.fill(server, first(self.entries, self.values, self.size))
        time.sleep(seconds)
        return {RESIDENT: float(_resident(server) - before)}


@dataclass(frozen=True, slots=True)
class Idle:
    """Anonymous memory of all processes without requests, and their share of a processor."""

    server: Sidecar

    def prepare(self, server: Running) -> None:
        """It is idle from its start."""

    def measure(self, server: Running, seconds: int) -> Figures:
        before = server.cpu_seconds()[1]
        time.sleep(seconds)
        used = server.cpu_seconds()[1] - before
        held = sum(anonymous(pid) for pid in server.pids)
        return {ANONYMOUS: float(held), "cpu_ratio": used / seconds}


def measured(server: Running, run: Callable[[], Load]) -> tuple[Figures, Load]:
    """The figures of a load, and the load itself."""
    before = server.cpu_seconds()
    load = run()
    main, both = (now - was for was, now in zip(before, server.cpu_seconds(), strict=True))
    return {CPU: load.operations / both, MAIN_CPU: load.operations / main, **speeds(load)}, load


def speeds(load: Load) -> Figures:
    """The figures of a load that it tells itself."""
    quantiles = {P50: load.p50, P99: load.p99, P999: load.p999}
    known = {name: it for name, it in quantiles.items() if it is not None}
    return {RATE: load.operations / load.seconds, **known}


def proven(
    server: Server, running: Running, answered: Answered, run: Callable[[], Load]
) -> tuple[Figures, Load]:
    """The same with AS_MEANT, of which the counters of a sidecar tell."""
    before = _answered(server, running, answered)
    figures, load = measured(running, run)
    figures[AS_MEANT] = 1.0
    if before is not None:
        found = (_answered(server, running, answered) or 0) - before
        figures[AS_MEANT] = found / load.operations
    return figures, load


def _answered(server: Server, running: Running, answered: Answered) -> int | None:
    """How often the tier has answered a read so far, or none has; None if nothing counts it."""
    if not isinstance(server, Sidecar) or server.module != "sidecar":
        return None
    match answered:
        case "written":
            return None
        case "miss":
            return int(stats_of(running)["misses"])
        case tier:
            return int(stats_of(running)["tiers"][tier]["hits"])


def first(count: int, values: Values, size: int) -> Iterator[bytes]:
    """The same values for both sides."""
    return islice(values(random.Random(SEED), size), count)


def _as_many(load: Load, seconds: int) -> int:
    """The operations that take this long."""
    return int(load.operations / load.seconds * seconds)


def stats_of(server: Running) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/v1/stats") as answer:
        return json.load(answer)


def _resident(server: Running) -> int:
    return sum(rss(pid) for pid in server.pids)
