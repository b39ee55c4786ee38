"""Sides that one client in Python asks, one operation after the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import diskcache

from tests.bench.filling import REDIS_KEY, noise, redis_set
from tests.bench.load import Load, python_client
from tests.bench.measuring import AS_MEANT, Figures
from tests.bench.servers import Diskcache, Redis, Running, Sidecar
from tests.bench.sides import first, proven, speeds


@dataclass(frozen=True, slots=True)
class InPython:
    """Random keys through redis-py, or in diskcache; all are set before.

    What diskcache uses of a processor is the client's, so it has no such figures.
    """

    server: Sidecar | Redis | Diskcache
    answered: Literal["l1", "l3", "written"]
    keys: int = 100
    size: int = 256

    def prepare(self, server: Running) -> None:
        values = first(self.keys, noise, self.size)
        if server.data is None:
            redis_set(server.resp_port, values, REDIS_KEY)
        else:
            with diskcache.Cache(str(server.data)) as cache:
                for number, value in enumerate(values):
                    cache[(REDIS_KEY % number).decode()] = value
        self._load(server, 1)

    def measure(self, server: Running, seconds: int) -> Figures:
        if server.data is None:
            run = partial(self._load, server, seconds)
            figures, load = proven(self.server, server, self.answered, run)
        else:
            load = self._load(server, seconds)
            figures = {AS_MEANT: 1.0, **speeds(load)}
        figures[AS_MEANT] = min(figures[AS_MEANT], 1 - load.errors / load.operations)
        return figures

    def _load(self, server: Running, seconds: int) -> Load:
        kind, where = ("diskcache", server.data) if server.data else ("redis-py", server.resp_port)
        return python_client(
            kind,
            str(where),
            "set" if self.answered == "written" else "get",
            keys=self.keys,
            size=self.size,
            seconds=seconds,
        )
