"""A day in virtual time: a real store, real rules and the real engine on a model of a machine.

The cache's figures are those of the real store. The machine's figures (memory, processor,
collections, connections) follow the load and the contents of the tiers, so that turning a knob has
an effect.

More than 300 lines in one file, since the load, the machine and the day are one model.
"""

from __future__ import annotations

import math
import random
from array import array
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.knobs import Effective
from sidecar.config.values import Document
from sidecar.l3 import wire
from sidecar.model.change import Value
from sidecar.model.entry import Tier
from sidecar.model.stats import RequestStats
from sidecar.optimizer.decisions import Decision, SavedState
from sidecar.optimizer.engine import Engine
from sidecar.optimizer.evaluation import Moment
from sidecar.signals.cache import cache_readings
from sidecar.signals.history import History
from sidecar.signals.requests import request_readings
from sidecar.signals.system import disk_shares, memory_shares
from sidecar.store.snapshot import snapshot
from sidecar.store.upkeep import SWEEP_SECONDS
from tests.store.harness import Harness

T = TypeVar("T")

HOURS = 24
HOUR_SECONDS = 3600
STEP_SECONDS = 10
"""Seconds between two ticks: the longest step that does not count as a jump of the clock."""
RESIDENT = 1.1
"""Memory of the container for each byte that a tier counts."""
LATENCIES = {Tier.L1: 0.0002, Tier.L2: 0.0003, Tier.L3: 0.001, None: 0.0005}


@dataclass(frozen=True)
class Load:
    """The load of an application.

    Keys follow Zipf's law. Every `drift_seconds` each key takes the next higher rank, and the most
    popular key is not requested again. The rate varies between `least` and `most` requests per
    second and is highest at noon; the higher `peak`, the shorter the maximum.
    """

    least: float
    most: float
    peak: float = 1.0
    keys: int = 20_000
    skew: float = 0.9
    drift_seconds: float = 60.0
    value_bytes: int = 600

    def busy(self, at: float) -> float:
        """The rate as a share of the highest one, from 0 to 1."""
        phase = 2 * math.pi * at / (HOURS * HOUR_SECONDS)
        return float(((1 - math.cos(phase)) / 2) ** self.peak)

    def rate(self, at: float) -> float:
        return self.least + (self.most - self.least) * self.busy(at)

    def requests(self, seed: int) -> Iterator[array[int]]:
        """The requested keys, step by step; a function of the seed."""
        rng = random.Random(seed)
        weights = list(accumulate(1 / rank**self.skew for rank in range(1, self.keys + 1)))
        ranks = range(self.keys)
        for at in range(0, HOURS * HOUR_SECONDS, STEP_SECONDS):
            expected = self.rate(at) * STEP_SECONDS
            count = max(0, round(rng.gauss(expected, math.sqrt(expected))))
            first = int(at / self.drift_seconds)
            yield array(
                "q", [first + it for it in rng.choices(ranks, cum_weights=weights, k=count)]
            )


@dataclass
class Machine:
    """The resources of the container, and their use at the highest load.

    Collections add a pause to each request, which is shorter the higher `gc.threshold` is. Half of
    the connections are idle; a shorter keepalive leaves fewer of them.
    """

    limit_bytes: float
    base_bytes: float
    peak_bytes: float
    peak_cpu: float = 0.9
    peak_gc: float = 0.03
    peak_connections: float = 700.0
    _counters: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _unreleased: float = 0.0
    _wander: float = 0.0

    def readings(
        self, busy: float, held_bytes: float, effective: Effective, rng: random.Random
    ) -> dict[str, float]:
        """The raw readings after one more step at this share of the highest load."""
        tuning = effective.tuning
        self._wander = 0.95 * self._wander + rng.gauss(0, 0.002)
        self._unreleased = min(0.02, self._unreleased + 0.0001 * busy)
        used = self.base_bytes + self.peak_bytes * busy + RESIDENT * held_bytes
        used += (self._wander + self._unreleased) * self.limit_bytes
        noise = rng.lognormvariate(0, 0.05)
        background = 0.05 * tuning.background_pace
        cpu = (self.peak_cpu - background) * busy * noise + background
        pause = self.peak_gc * busy * noise * 20_000 / tuning.gc_threshold
        for name, grown in {
            "cpu.used_seconds": min(1.0, cpu),
            "cpu.allowed_seconds": 1.0,
            "cpu.stalled_seconds": 0.2 * busy,
            "cpu.periods": 10.0,
            "cpu.throttled_periods": 5.0 * max(0.0, busy - 0.3),
            "memory.stalled_seconds": 0.0,
            "io.stalled_seconds": 0.05 * busy * noise,
            "io.read_bytes": 1e5 * busy,
            "io.written_bytes": 1e6 * busy,
            "gc.gen0.pause_seconds": 0.6 * pause,
            "gc.gen1.pause_seconds": 0.2 * pause,
            "gc.gen2.pause_seconds": 0.2 * pause,
            "gc.gen0.collections": 5 * busy,
            "gc.gen1.collections": 0.5 * busy,
            "gc.gen2.collections": 0.05 * busy,
        }.items():
            self._counters[name] += grown * STEP_SECONDS
        measured = {
            **self._counters,
            "memory.limit_bytes": self.limit_bytes,
            "memory.working_set_bytes": used,
            "memory.resident_bytes": used,
            "cpu.loop_lag_seconds": 0.002 * busy * noise,
            "io.disk_free_bytes": 50e9,
            "io.disk_total_bytes": 100e9,
            "gc.tracked_objects": 50_000.0,
        }
        return memory_shares(disk_shares(measured))

    def connections(self, busy: float, effective: Effective) -> int:
        idle = effective.tuning.keepalive_seconds / 75.0
        return round(self.peak_connections * busy * (1 + idle) / 2)

    def release(self) -> None:
        """Return the free memory of the allocator to the system."""
        self._unreleased = 0.0


@dataclass(frozen=True)
class Move:
    """A turn of a knob: when, from which value to which, and by which rule."""

    at: float
    knob: str
    was: Value
    to: Value
    rule: str


@dataclass
class Day:
    """The result of a day."""

    hits: list[int] = field(default_factory=lambda: [0] * HOURS)
    requests: list[int] = field(default_factory=lambda: [0] * HOURS)
    moves: list[Move] = field(default_factory=list)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By rule and outcome."""

    @property
    def hit_ratio(self) -> float:
        return sum(self.hits) / sum(self.requests)

    def hourly(self) -> list[float]:
        return [hits / asked for hits, asked in zip(self.hits, self.requests, strict=True)]


class Simulation:
    """One day under a document; `optimize` is whether the rules are evaluated."""

    def __init__(
        self, folder: Path, cache: str, level: str, load: Load, machine: Machine, *, seed: int
    ) -> None:
        self.document: Document = parse(
            {"cache.yaml": cache, "rules.yaml": f"level: {level}\n"},
            vocabulary=CATALOGUE.vocabulary,
        )
        self.day = Day()
        self._load, self._machine, self._seed = load, machine, seed
        self._rng = random.Random(seed + 1)
        self._requests = RequestStats()
        self._history = History(CATALOGUE.signals)
        self._harness = Harness(folder, self.document.cache, seed)
        if not self.document.cache.tiers.l3.enabled:
            self._harness.store.disk.give_up()
        self._now = 0.0
        self._swept_at = 0.0
        self.engine = Engine(
            self.document, SavedState(), self._now, self._harness.now, CATALOGUE.knobs
        )
        self._in_force = self.engine.effective

    def run(self, *, optimize: bool) -> Day:
        try:
            self._harness.run_unserved(self._run(optimize=optimize))
        finally:
            self._harness.close()
        for outcome in self.engine.outcomes:
            self.day.outcomes[outcome.rule, outcome.outcome] += 1
        return self.day

    async def _run(self, *, optimize: bool) -> None:
        """Run the whole day at once: the only waits are those for L3, which is called directly."""
        value = b"v" * self._load.value_bytes
        for number, keys in enumerate(self._load.requests(self._seed)):
            self._ask(keys, value, hour=number * STEP_SECONDS // HOUR_SECONDS)
            self._now += STEP_SECONDS
            self._harness.now += STEP_SECONDS
            self._keep_up()
            if optimize:
                self._history.push(self._now, self._readings())
                self._put_in_force(self.engine.tick(self._moment(), self._now))

    def _ask(self, keys: array[int], value: bytes, hour: int) -> None:
        """Look-aside: read each key, and put the missing ones."""
        store, observe, noise = (
            self._harness.store,
            self._requests.observe,
            self._rng.lognormvariate,
        )
        self._requests.most_in_flight = 1 + len(keys) // STEP_SECONDS
        hits = 0
        for number in keys:
            key = b"app\0%d" % number
            hit = self._finish(store.get(key))
            if hit is None:
                observe("get", 404, LATENCIES[None] * noise(0, 0.5))
                self._finish(store.put(key, value, "text/plain", 3600.0))
                observe("put", 204, LATENCIES[None] * noise(0, 0.5))
            else:
                observe("get", 200, LATENCIES[hit.tier] * noise(0, 0.5))
                hits += 1
        self.day.hits[hour] += hits
        self.day.requests[hour] += len(keys)

    def _finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of an operation that waits only for L3."""
        while True:
            try:
                work.send(None)
            except StopIteration as stop:
                result: T = stop.value
                return result
            self._harness.serve()

    def _keep_up(self) -> None:
        """Do the background work of the store and of L3 for one step."""
        store = self._harness.store
        self._harness.serve()
        while not store.memory.drain() or self._harness.engine.over():
            self._harness.serve()
        if self._now - self._swept_at >= SWEEP_SECONDS / store.pace:
            self._swept_at = self._now
            store.memory.sweep(list(store.memory.held.order.keys()))
        if store.config.tiers.l3.enabled:
            store.disk.feed(wire.Reply([], [], [], status=self._harness.status()))

    def _readings(self) -> dict[str, float]:
        store, machine = self._harness.store, self._machine
        busy = self._load.busy(self._now)
        held = store.l1.used_bytes + store.l2.used_bytes
        connections = machine.connections(busy, self._in_force)
        return {
            **machine.readings(busy, held, self._in_force, self._rng),
            **cache_readings(snapshot(store)),
            **request_readings({"http": self._requests, "resp": RequestStats()}, connections),
        }

    def _moment(self) -> Moment:
        return Moment(self._history, snapshot(self._harness.store), self._harness.now)

    def _put_in_force(self, decisions: list[Decision]) -> None:
        """Apply the decisions, and record which knobs they turned."""
        for decision in decisions:
            if decision.one_shot is not None:
                self._machine.release()
        was, self._in_force = self._in_force, self.engine.effective
        if was == self._in_force:
            return
        self._harness.store.apply(self._in_force.cache, self._in_force.tuning)
        for knob in CATALOGUE.knobs.values():
            before, after = knob.read(was), knob.read(self._in_force)
            if before != after:
                rule = _mover(decisions, knob.name)
                self.day.moves.append(Move(self._now, knob.name, before, after, rule))


def _mover(decisions: list[Decision], knob: str) -> str:
    """The rule whose decision turned a knob; the last one if there were several."""
    return [
        decision.rule.name
        for decision in decisions
        if decision.event in ("changed", "rolled_back", "released")
        and decision.fields["knob"] == knob
    ][-1]
