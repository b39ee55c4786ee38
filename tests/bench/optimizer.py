"""The effect of the optimizer on a trace: a sidecar with far too small an L2, under a replay.

    python -m tests.bench.optimizer TRACE [REQUESTS]

It prints every outcome with the hit ratio that clients saw in the same two windows. A
number after TRACE limits its requests: the windows are seconds, so in a trace whose phases last
minutes the effect of a change does not exceed the noise.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
import time
import urllib.request
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sidecar.cli import traces
from sidecar.cli.client import Address
from sidecar.cli.replay import Replay
from sidecar.cli.traces import Request
from tests.bench.load import say
from tests.bench.servers import LOAD_CPU, Running, Sidecar

L2_ENTRIES = 100
WINDOW_SECONDS, SETTLE_SECONDS = 4.0, 4.0
REPLAY_SECONDS = 240.0
NOTE_SECONDS = 0.1
CONNECTIONS = 16
CACHE = f"""
tiers:
  l1: {{max_entries: 20}}
  l2: {{max_entries: {L2_ENTRIES}, max_bytes: 512MiB, compression: none}}
  l3: {{enabled: false}}
"""
RULES = f"""
level: maximum
interval: 1s
rules:
  - name: roomier
    type: cache
    when: cache.l2.fill > 0.95
    cooldown: 1s
    action: grow_tier
    with: {{tier: l2, by: 50%, at_most: 10000%}}
    expect:
      signal: cache.hit_ratio
      by: 2%
      window: {WINDOW_SECONDS:g}s
      settle: {SETTLE_SECONDS:g}s
"""


def replayed(trace: Path, limit: int | None) -> None:
    """The effect of the optimizer on a trace, which is repeated until the time is up."""
    with Sidecar(cache=CACHE, rules=RULES).running() as server:
        client = Client(server.port, trace, limit)
        client.run()
        outcomes = list(reversed(ask(server, "/v1/optimizer/outcomes")["outcomes"]))
        entries = ask(server, "/v1/stats")["tiers"]["l2"]["max_entries"]
    say(f"{trace.name}: {client.seen[-1].requests} requests, {len(outcomes)} trials")
    for outcome in outcomes:
        report(outcome, client)
    if outcomes:
        began, ended = outcomes[0]["started_at"], outcomes[-1]["ended_at"]
        was, now = client.hit_ratio(0.0, began), client.hit_ratio(ended, math.inf)
        say(f"L2 {L2_ENTRIES} -> {entries} entries; hit ratio {was:.4f} before the first trial,")
        say(f"{now:.4f} after the last")


def report(outcome: dict[str, Any], client: Client) -> None:
    """A trial's figures, and those of the client in its two windows."""
    start, end = outcome["started_at"], outcome["ended_at"]
    before = client.hit_ratio(start - WINDOW_SECONDS, start)
    after = client.hit_ratio(end - WINDOW_SECONDS, end)
    sizes = f"{outcome['from']['max_entries']:6} -> {outcome['to']['max_entries']:6}"
    if outcome["after"] is None:
        say(f"{sizes}  {outcome['outcome']}: {outcome['reason']}")
        return
    say(
        f"{sizes}  {outcome['outcome']:10} {outcome['before']:.4f} -> {outcome['after']:.4f}"
        f" (noise {outcome['noise']:.4f}); the client saw {before:.4f} -> {after:.4f}"
    )


class Seen(NamedTuple):
    """The requests of a client up to a wall clock time."""

    at: float
    requests: int
    hits: int


class Client:
    """A replay that records its progress."""

    def __init__(self, port: int, trace: Path, limit: int | None) -> None:
        self._replay = Replay(Address.parse(f"http://127.0.0.1:{port}", None), "bench")
        self._trace = trace
        self._limit = limit
        self._until = time.monotonic() + REPLAY_SECONDS
        self.seen = [Seen(time.time(), 0, 0)]

    def run(self) -> None:
        os.sched_setaffinity(0, {LOAD_CPU})
        asyncio.run(self._replay.run(self._requests(), CONNECTIONS))

    def hit_ratio(self, start: float, end: float) -> float:
        """The hit ratio of requests between two wall clock times."""
        within = [seen for seen in self.seen if start <= seen.at <= end]
        first, last = within[0], within[-1]
        return (last.hits - first.hits) / max(1, last.requests - first.requests)

    def _requests(self) -> Iterator[Request]:
        """The requests of the trace, repeated until the time is up."""
        while True:
            for request in islice(traces.read(self._trace), self._limit):
                if time.monotonic() >= self._until:
                    return
                self._note()
                yield request

    def _note(self) -> None:
        now, outcome = time.time(), self._replay.outcome
        if now - self.seen[-1].at >= NOTE_SECONDS:
            self.seen.append(Seen(now, outcome.requests, outcome.hits))


def ask(server: Running, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}") as answer:
        return json.load(answer)


if __name__ == "__main__":
    replayed(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
