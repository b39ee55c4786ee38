"""Thousands of pods during and after an outage of the API server: real back-off, no network.

python -m tests.kube.simulation
"""

from __future__ import annotations

import heapq
import random
import sys
from collections import Counter
from dataclasses import dataclass

from sidecar.kube.backoff import Backoff

PODS = 5000
OUTAGES_SECONDS = (0.5, 5.0, 60.0, 600.0)
SEED = 20250601


@dataclass(frozen=True)
class Return:
    """The requests to a server after its return, one from each pod."""

    seconds: list[float]
    """Times since the return, in order."""

    @property
    def spread_seconds(self) -> float:
        """The time span of the middle 95 % of them."""
        margin = len(self.seconds) // 40
        return self.seconds[-margin - 1] - self.seconds[margin]

    @property
    def busiest_second(self) -> int:
        return max(Counter(int(second) for second in self.seconds).values())


def simulate(pods: int, outage_seconds: float, seed: int) -> Return:
    """All watches break off at once; an early pod is refused, and waits again."""
    rng = random.Random(seed)
    backoffs = [Backoff(random.Random(rng.random())) for _ in range(pods)]
    due = [(backoff.wait_seconds(0.0, shared=True), pod) for pod, backoff in enumerate(backoffs)]
    heapq.heapify(due)
    served: list[float] = []
    while due:
        now, pod = heapq.heappop(due)
        if now >= outage_seconds:
            served.append(now - outage_seconds)
        else:
            wait = backoffs[pod].wait_seconds(now, shared=True)
            heapq.heappush(due, (now + wait, pod))
    return Return(served)


def main() -> None:
    for outage in OUTAGES_SECONDS:
        after = simulate(PODS, outage, SEED)
        sys.stdout.write(
            f"{PODS} pods, away for {outage:5.1f} s: 95% of the requests within "
            f"{after.spread_seconds:.0f} s, {after.busiest_second} in the busiest second\n"
        )


if __name__ == "__main__":
    main()
