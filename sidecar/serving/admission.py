"""Admission control of a listener: connections, requests in flight, idle connections.

An admission is created before its listener and before the code that tunes it. The listener updates
the counts, and checks them before it accepts more; each protocol words its own refusals.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from sidecar.config.knobs import InFlight
from sidecar.model.stats import RequestStats
from sidecar.serving.budget import Budget
from sidecar.serving.limiter import Limiter, usual_seconds
from sidecar.serving.limits import Limits
from sidecar.serving.slices import Slices
from sidecar.serving.turns import Turns

KERNEL_PART = 8
"""A part of the memory of requests is what the kernel may keep for one Unix socket."""
FEW_REQUESTS = 32
"""So many in flight are no overload, whatever else waits for L3."""


class Admission:
    """The limits of one listener and their current usage, over all of its sockets."""

    __slots__ = (
        "_on_keepalive",
        "budget",
        "connections",
        "keepalive_seconds",
        "limiter",
        "limits",
        "refusals",
        "slices",
        "stats",
        "turns",
    )

    def __init__(
        self, stats: RequestStats, limits: Limits | None = None, budget: Budget | None = None
    ) -> None:
        self.stats = stats
        self.limits = limits or Limits()
        self.budget = budget or Budget()
        """The memory of requests; the listeners share one."""
        self.connections = 0
        """Open connections, counted by the listener. Refused ones are in `refusals`."""
        self.refusals = 0
        """Connections over the limit that are receiving their refusal."""
        self.limiter: Limiter | None = None
        """None if requests in flight are unlimited."""
        self.turns = Turns()
        """Whether requests are too many to be answered in time, whatever they are."""
        self.slices = Slices()
        """Of the requests that take long."""
        self.keepalive_seconds = self.limits.idle_seconds
        self._on_keepalive: list[Callable[[float], None]] = []

    # ---- what tunes it

    def tune(self, *, in_flight: InFlight, keepalive_seconds: float) -> None:
        """Limit the requests in flight by their latency, or not at all; close connections that
        have been idle for `keepalive_seconds`.
        """
        if in_flight == "unlimited":
            self.limiter = None
        elif self.limiter is None:
            self.limiter = Limiter(usual_seconds(self.stats))
        if keepalive_seconds != self.keepalive_seconds:
            self.keepalive_seconds = keepalive_seconds
            for on_change in self._on_keepalive:
                on_change(keepalive_seconds)

    def follow_keepalive(self, on_change: Callable[[float], None]) -> None:
        """Call `on_change` with the current seconds, and after each change."""
        self._on_keepalive.append(on_change)
        on_change(self.keepalive_seconds)

    # ---- connections and memory: a refusal is counted where it is decided

    def admits_connection(self, make_room: Callable[[], bool] = lambda: False) -> bool:
        """Whether there is room for another connection. `make_room` is called at the limit, and
        closes some if it can.
        """
        is_below = self.connections < self.limits.connections
        return is_below or make_room() or self._shed("connections")

    def count_connection(self, change: int) -> None:
        """A connection was opened (1) or closed (-1)."""
        self.connections += change
        self.turns.count_connections(self.connections)

    @property
    def kernel_bytes(self) -> int:
        """What the kernel may keep for the latest connection, if that counts as our memory. The sum
        over all connections grows with the logarithm of their number.
        """
        return self.budget.most_bytes // KERNEL_PART // max(1, self.connections)

    def admits_refusal(self) -> bool:
        """Whether another connection may get a refusal; otherwise it is closed without one."""
        return self.refusals < self.limits.refusals

    def admits_bytes(self, size: int) -> bool:
        """Take memory from the budget now; False if there is not as much."""
        if self.budget.take(size):
            return True
        return self._shed("buffers")

    def admits_piece(self, size: int) -> bool:
        """Take memory for the first piece of a request (see `Budget.take_piece`)."""
        return self.budget.take_piece(size) or self._shed("buffers")

    async def wait_for_bytes(self, size: int) -> bool:
        """Take memory from the budget, after a short wait if need be."""
        return await self.budget.wait(size) or self._shed("buffers")

    # ---- requests

    def begin(self) -> float:
        """Count a request as in flight. Returns the start time, for `end`."""
        stats = self.stats
        in_flight = stats.in_flight = stats.in_flight + 1
        if in_flight > stats.most_in_flight:  # noqa: PLR1730  (a call would cost more than the rest)
            stats.most_in_flight = in_flight
        return perf_counter()

    @property
    def has_room(self) -> bool:
        """Whether one more request in flight would be within their limit."""
        return self.limiter is None or self.stats.in_flight < self.limiter.limit

    @property
    def has_few(self) -> bool:
        """Whether so few requests are in flight that none is refused for having to wait. A few for
        many keys would crowd out all others else.
        """
        return self.stats.in_flight <= FEW_REQUESTS

    def admits_request(self, waits: Callable[[], bool]) -> bool:
        """Whether a request that has begun may continue. A request that does not wait always may,
        since an answer costs no more than a refusal. `waits` is called only above the limit.
        """
        limiter = self.limiter
        is_within = limiter is None or self.stats.in_flight <= limiter.limit
        return is_within or not waits() or self._shed("in_flight")

    def end(self, operation: str, status: int | None, began_at: float) -> None:
        """Record the end of a request; status None if the client disconnected before the answer."""
        self.stats.in_flight -= 1
        if status is not None:
            self.record(operation, status, began_at)

    def record(self, operation: str, status: int, began_at: float) -> None:
        """Record a request that was answered at once, so that it was never in flight."""
        ended_at = perf_counter()
        seconds = ended_at - began_at
        self.stats.observe(operation, status, seconds)
        if self.limiter is not None:
            self.limiter.observe(ended_at, seconds, self.stats.in_flight + 1)

    def record_many(self, operation: str, status: int, count: int, began_at: float) -> None:
        """The same of `count` requests that were answered together."""
        ended_at = perf_counter()
        seconds = (ended_at - began_at) / count
        self.stats.observe(operation, status, seconds, count)
        if self.limiter is not None:
            self.limiter.observe(ended_at, seconds, self.stats.in_flight + 1)

    def _shed(self, reason: str) -> bool:
        self.stats.shed[reason] += 1
        return False
