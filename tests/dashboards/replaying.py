"""A real sidecar under a replay, with trials of seconds, and a real Prometheus for both.

Everything that dashboards show happens: each tier serves and evicts, entries expire, a rule makes a
change that is kept and another rule one that is not, and memory has a limit.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import redis

from sidecar.cli.client import Address
from sidecar.cli.replay import Replay
from sidecar.cli.traces import Request
from sidecar.control import FILE
from sidecar.model.outcome import Outcome, Verdict
from sidecar.optimizer.decisions import SavedState
from tests.dashboards.prometheus import ODD, POD, Prometheus, exporter, prometheus
from tests.documents.kubelet import Mount
from tests.e2e.container import Container
from tests.running import RunningSidecar, wait_until

SEED = 20260101
KEYS = 3000
SKEW = 0.8
REQUESTS_A_SECOND = 400
"""The rate is enough for a hit ratio per second; benchmarks replay as fast as possible."""
LIMIT_BYTES = 512 << 20
KUBE = {"job": "kube-state-metrics"}
RESTARTS = "kube_pod_init_container_status_restarts_total"
KUBE_STATE_METRICS = f"""\
# TYPE {RESTARTS} counter
{RESTARTS}{{namespace="shop",pod="web-0",container="cache-sidecar"}} 3
"""
CONFIG = {
    "cache.yaml": """
tiers:
  l1: {max_entries: 20}
  l2: {max_entries: 100, compression: none}
  l3: {max_entries: 400}
default_ttl: 8s
metrics: {namespaces: [replay]}
""",
    "baselines.yaml": """
baselines:
  cache.hit_ratio: {baseline: 0.30, target: 0.90}
  http.get_p99_seconds: {baseline: 0.010, target: 0.002}
  memory.resident_bytes: {baseline: 50000000, target: 40000000}
  network.requests_per_second: {baseline: 100, target: 1000, better: higher}
  network.connections: {baseline: 1, target: 2, better: lower}
""",
    "rules.yaml": """
level: maximum
interval: 1s
rules:
  - name: roomier
    type: cache
    when: cache.l2.fill > 0.9
    cooldown: 4s
    action: grow_tier
    with: {tier: l2, by: 50%, at_most: 1000%}
    expect: {signal: cache.l2.hit_ratio, by: 2%, window: 2s, settle: 1s}
  - name: useless
    type: network
    when: cache.hit_ratio > 0.0
    cooldown: 4s
    action: set_keepalive
    with: {to: 20s}
    expect: {signal: cache.hit_ratio, by: 20%, window: 2s, settle: 1s}
  - name: tidy
    type: gc
    when: cache.hit_ratio > 0.0
    cooldown: 1h
    action: collect
""",
}


def kept(rule: str, kind: str, action: str, outcome: Verdict, after: float) -> Outcome:
    """A trial that an earlier process has completed."""
    return Outcome(
        rule=rule,
        type=kind,
        action=action,
        knob=None,
        outcome=outcome,
        signal="cache.hit_ratio",
        before=0.4,
        after=after,
        effect_ratio=after / 0.4 - 1,
        reason="It has been compared.",
        started_at=1_767_225_600.0,
        ended_at=1_767_225_660.0,
    )


EARLIER = SavedState(
    outcomes=[
        kept("roomier", "cache", "grow_tier", "improved", 0.5),
        kept("useless", "network", "set_keepalive", "neutral", 0.4),
    ]
)
"""The changes that an earlier process has kept. An experiment takes a minute, since noise is
measured first; these exist at once.
"""


class Observed(NamedTuple):
    """A sidecar, and the Prometheus that scrapes it."""

    sidecar: RunningSidecar
    prometheus: Prometheus

    def outcomes(self) -> list[dict[str, Any]]:
        """The outcomes of all trials, newest first."""
        found: list[dict[str, Any]] = json.loads(
            self.sidecar.ask("GET", "/v1/optimizer/outcomes").body
        )["outcomes"]
        return found


@contextmanager
def observed(folder: Path, earlier: SavedState = EARLIER) -> Iterator[Observed]:
    """All of it running, after a process that kept `earlier`."""
    with ExitStack() as stack:
        config = Mount(folder / "config")
        config.publish(CONFIG)
        container = Container(f"cache-sidecar-dash-{os.getpid()}", folder / "group", LIMIT_BYTES)
        stack.callback(container.close)
        (folder / "data").mkdir()
        (folder / "data" / FILE).write_bytes(msgspec.msgpack.encode(earlier))
        flags = ("--config", str(config.path))
        sidecar = RunningSidecar(folder / "data", flags, wrapper=container.wrapper)
        stack.callback(sidecar.stop)
        sidecar.launch()
        container.started(sidecar.pid)
        wait_until(lambda: sidecar.ready, f"the sidecar is ready ({container.kind})")
        stack.enter_context(replay(sidecar.port))
        stack.enter_context(commands(sidecar.resp_port))
        kube = stack.enter_context(exporter(KUBE_STATE_METRICS))
        targets = [(sidecar.ops_port, POD), (sidecar.ops_port, ODD), (kube, KUBE)]
        yield Observed(sidecar, stack.enter_context(prometheus(folder, targets)))


@contextmanager
def replay(port: int) -> Iterator[None]:
    """`cache-sidecar replay` of a trace that is endless until stopped."""
    address = Address.parse(f"http://127.0.0.1:{port}", None)
    stop = threading.Event()

    def run() -> None:
        asyncio.run(Replay(address, "replay").run(_requests(stop), 1))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def commands(port: int) -> Iterator[None]:
    """A client of the Redis protocol, look-aside as the replay, until stopped."""
    stop = threading.Event()

    def run() -> None:
        with redis.Redis(port=port) as client:
            for request in _requests(stop):
                if client.get(request.key) is None:
                    client.set(request.key, b"v" * (request.size_bytes or 1))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _requests(stop: threading.Event) -> Iterator[Request]:
    """Keys by Zipf's law, at a fixed rate."""
    rng = random.Random(SEED)
    weights = list(accumulate(1 / rank**SKEW for rank in range(1, KEYS + 1)))
    while not stop.wait(1 / REQUESTS_A_SECOND):
        [key] = rng.choices(range(KEYS), cum_weights=weights)
        yield Request(b"key-%d" % key, 100 + key)
