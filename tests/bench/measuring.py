"""The core of the benchmark: a case has two sides, which are measured in turns.

What is compared stands in `cases`, how a side is measured in `sides`. Every figure of every round
is kept. A ratio is ours / theirs within a round, and of the rounds the median: what else the
machine does changes more slowly than the sides do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Literal, Protocol

from tests.bench.servers import Running, Server

Figures = dict[str, float]
"""What one round measured, by name; a name ends in its unit."""

CPU = "operations_per_cpu_second"
"""Per second of processor time of all processes of a side."""
MAIN_CPU = "operations_per_main_cpu_second"
"""Per second of processor time of the main process alone."""
RATE = "operations_per_second"
P50, P99, P999 = "p50_seconds", "p99_seconds", "p999_seconds"
AS_MEANT = "as_meant_ratio"
"""The share of operations with the status, and of a sidecar from the tier, that the case is for."""
RESIDENT, ANONYMOUS = "resident_bytes", "anonymous_bytes"

SHORT_ROUNDS, FEW_ROUNDS = 5, 3
LEAST_AS_MEANT = 0.95
"""A case with less is reported as not valid."""


class Side(Protocol):
    """One side of a case."""

    @property
    def server(self) -> Server: ...

    def prepare(self, server: Running) -> None:
        """Bring the server into the state that is measured; once for all rounds of a start."""

    def measure(self, server: Running, seconds: int) -> Figures:
        """One round of about `seconds`."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What must hold for one figure: a median over the rounds, of ours and theirs."""

    figure: str
    limit: float
    of: Literal["ratio", "difference", "ours"] = "ratio"
    is_ceiling: bool = False

    def value(self, pairs: Sequence[Pair]) -> float:
        """What is held against the limit."""
        return median(self._of(*pair) for pair in pairs)

    def _of(self, ours: Figures, theirs: Figures) -> float:
        match self.of:
            case "ratio":
                return ours[self.figure] / theirs[self.figure]
            case "difference":
                return ours[self.figure] - theirs[self.figure]
            case "ours":
                return ours[self.figure]

    def holds(self, value: float) -> bool:
        return value <= self.limit if self.is_ceiling else value >= self.limit


Pair = tuple[Figures, Figures]
"""One round: ours, and theirs, which is empty where there is no peer."""


def at_least(limit: float, figure: str = CPU) -> Bound:
    """Our figure, in relation to theirs."""
    return Bound(figure, limit)


def at_most_times(times: float) -> Bound:
    """An operation takes at most so many times the processor time of theirs."""
    return at_least(1 / times)


def at_most(limit: float, figure: str) -> Bound:
    return Bound(figure, limit, is_ceiling=True)


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison; without a peer, one measurement."""

    name: str
    what: str
    ours: Side
    theirs: Side | None = None
    bounds: tuple[Bound, ...] = ()
    figure: str = CPU
    """What the picture shows, as a ratio."""
    rounds: int = 15
    starts: int = 1
    """How often both servers are started anew for as many rounds: the speed of a process depends on
    its memory layout, which matters for a difference of a few percent."""
    long: bool = False
    """Takes minutes: a short run leaves it out."""

    @property
    def peer(self) -> str:
        return self.theirs.server.name if self.theirs else ""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a run takes. A bound on a speed is held against the median of at least five rounds;
    a case without bounds has three. Many short rounds tell more than a few long ones on a machine
    whose speed changes every few seconds.
    """

    seconds: int = 1
    """Of one round of one side."""
    is_short: bool = False

    def rounds(self, case: Case) -> int:
        most = SHORT_ROUNDS if self.is_short else case.rounds
        return min(case.rounds, most if case.bounds else FEW_ROUNDS)

    def starts(self, case: Case) -> int:
        return min(case.starts, 3) if self.is_short else case.starts


SHORT = Plan(is_short=True)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bound, and the value that was held against it."""

    bound: Bound
    value: float
    holds: bool


@dataclass(frozen=True, slots=True)
class Result:
    """A case with the figures of all its rounds; `ours` and `theirs` are their medians."""

    case: str
    what: str
    sides: tuple[str, str]
    """The names of both servers; the peer's is empty if there is none."""
    figure: str
    ratio: float | None
    """Ours in relation to theirs, of that figure; None without a peer."""
    verdicts: tuple[Verdict, ...]
    is_valid: bool
    """Whether nearly all operations were those that the case is for."""
    ours: Figures
    theirs: Figures
    rounds: tuple[Pair, ...]

    @classmethod
    def of(cls, case: Case, rounds: Sequence[Pair]) -> Result:
        values = [(bound, bound.value(rounds)) for bound in case.bounds]
        return cls(
            case.name,
            case.what,
            (case.ours.server.name, case.peer),
            case.figure,
            Bound(case.figure, 0.0).value(rounds) if case.theirs else None,
            tuple(Verdict(bound, value, bound.holds(value)) for bound, value in values),
            all(side.get(AS_MEANT, 1.0) >= LEAST_AS_MEANT for pair in rounds for side in pair),
            _medians([ours for ours, _ in rounds]),
            _medians([theirs for _, theirs in rounds]),
            tuple(rounds),
        )


def _medians(rounds: Sequence[Figures]) -> Figures:
    return {name: median(figures[name] for figures in rounds) for name in rounds[0]}


class Servers:
    """The servers that run now, each started when a case first needs it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._running: dict[Server, Running] = {}

    def of(self, server: Server) -> Running:
        if server not in self._running:
            self._running[server] = self._stack.enter_context(server.running())
        return self._running[server]


@contextmanager
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack)


def measure(case: Case, running: Servers, plan: Plan) -> Result:
    """Measure a case; one with several starts uses servers of its own."""
    pairs: list[Pair] = []
    if plan.starts(case) == 1:
        pairs += _alternated(case, running, plan)
    else:
        for _ in range(plan.starts(case)):
            with servers() as anew:
                pairs += _alternated(case, anew, plan)
    return Result.of(case, pairs)


def _alternated(case: Case, running: Servers, plan: Plan) -> Iterator[Pair]:
    """Rounds in which either side is first in turns."""
    sides = [side for side in (case.ours, case.theirs) if side is not None]
    for side in sides:
        server = running.of(side.server)
        side.prepare(server)
        server.settle()
    for number in range(plan.rounds(case)):
        figures: list[Figures] = [{}, {}]
        for index in range(len(sides)) if number % 2 == 0 else reversed(range(len(sides))):
            side = sides[index]
            figures[index] = side.measure(running.of(side.server), plan.seconds)
        yield figures[0], figures[1]
