"""An outcome, and a sidecar that is watched, as the documentation shows them."""

from __future__ import annotations

import math
from datetime import datetime

from sidecar.api.answers import Change, Overview, Signal, Standing, Trial
from sidecar.api.entries import HotKey
from sidecar.cli.client import Address
from sidecar.cli.counted import L3Health, ProtocolCounts, Stats, TierCounts, growth
from sidecar.cli.watching import Look, Watch
from sidecar.config.values import GIB, MIB
from sidecar.model.change import Size
from sidecar.model.outcome import Outcome

ENDED = datetime(2025, 6, 1, 19, 37, 33).astimezone()
IMPROVED = Outcome(
    rule="cache_efficiency",
    type="cache",
    action="grow_tier",
    knob="tiers.l2.size",
    from_=Size(1000, 100 * MIB),
    to=Size(1100, 100 * MIB),
    outcome="improved",
    signal="cache.l2.hit_ratio",
    before=0.412,
    after=0.447,
    noise=0.011,
    effect_ratio=0.085,
    reason="cache.l2.hit_ratio went from 0.412 to 0.447.",
    started_at=ENDED.timestamp() - 720,
    ended_at=ENDED.timestamp(),
)
COLLECTED = Outcome(
    rule="gc_pressure",
    type="gc",
    action="collect",
    knob=None,
    outcome="applied",
    reason="It promises nothing.",
    started_at=ENDED.timestamp() - 1500,
    ended_at=ENDED.timestamp() - 1440,
)


def watched() -> Watch:
    """A sidecar while its cache fills, with a trial going on."""
    watch = Watch(Address("127.0.0.1", 7070))
    before, after = _stats(0, 0, 0, 0), _stats(1304, 428, 331, 266, requests=(722, 2030))
    overview = Overview(
        enabled=True,
        dry_run=False,
        level="balanced",
        interval_seconds=30.0,
        ticks=1234,
        trial=Trial(
            rule="disk_capacity",
            change=Change(knob="tiers.l3.size", from_=Size(10_000, GIB), to=Size(11_000, GIB)),
            signal="cache.l3.hit_ratio",
            before=0.554,
            noise=0.009,
            started_at=0.0,
            seconds_left=432.0,
        ),
        rules=_rules(),
        knobs={},
        signals={name: _signal(value) for name, value in _SIGNALS.items()},
    )
    at = ENDED.timestamp() + 1200
    watch.latest = Look(at, 0.0, after, b"{}", overview, [IMPROVED, COLLECTED], HOT)
    watch.growth = growth(before, after, 2.0)
    watch.points.extend({"l1": _warmth(second)} for second in range(200))
    return watch


HOT = [
    HotKey(namespace="shop", key=key, path=None, per_second=rate, error_per_second=2.0)
    for key, rate in (("page/1", 1234.0), ("page/7", 31.5))
]
_SIGNALS = {
    "http.get_p50_seconds": 0.0000492,
    "http.get_p99_seconds": 0.00118,
    "http.put_p99_seconds": 0.00264,
    "resp.get_p50_seconds": 0.0000113,
    "resp.get_p99_seconds": 0.000094,
    "resp.set_p99_seconds": 0.000412,
    "memory.working_set_bytes": 219.4 * MIB,
    "memory.limit_bytes": 512.0 * MIB,
    "memory.utilization": 0.4285,
    "memory.resident_bytes": 184.2 * MIB,
}


def _rules() -> list[Standing]:
    states = {
        "memory_cleanup": ("inactive", "Its condition is false."),
        "disk_capacity": ("active", "Its change is on trial for another 432 s."),
        "cache_efficiency": ("cooling_down", "For another 84 s."),
        "eviction_policy": ("disabled", "It runs from level aggressive on."),
        "idle_connections": ("inactive", "Its condition is false."),
        "gc_pressure": ("inactive", "Its condition is false."),
    }
    return [
        Standing(rule=rule, state=state, reason=reason) for rule, (state, reason) in states.items()
    ]


def _signal(value: float) -> Signal:
    return Signal(value=value, unit="", meaning="", better=None, baseline=None, target=None)


def _warmth(second: int) -> float:
    """A hit ratio that rises, with a dip where the load changed."""
    dip = 0.35 * math.exp(-(((second - 165) / 6) ** 2))
    return 0.89 - 0.3 * math.exp(-(second - 110) / 25) - dip


def _stats(l1: int, l2: int, l3: int, misses: int, requests: tuple[int, int] = (0, 0)) -> Stats:
    """Of lookups that these answered; a third of what misses in a tier makes it evict."""

    def tier(holds: Size, may_hold: Size, hits: int, below: int) -> TierCounts:
        return TierCounts(
            enabled=True,
            policy="lru",
            entries=holds.max_entries,
            max_entries=may_hold.max_entries,
            used_bytes=holds.max_bytes,
            max_bytes=may_hold.max_bytes,
            hits=hits,
            misses=below,
            expired=0,
            evictions=below // 3,
        )

    return Stats(
        hit_ratio=0.0,
        hits=l1 + l2 + l3,
        misses=misses,
        tiers={
            "l1": tier(Size(100, 1_630_000), Size(100, 10 * MIB), l1, l2 + l3 + misses),
            "l2": tier(Size(1100, 14_400_000), Size(1100, 100 * MIB), l2, l3 + misses),
            "l3": tier(Size(10_412, 171_000_000), Size(11_000, GIB), l3, misses),
        },
        l3=L3Health(state="up", folder_bytes=0, pending_compaction_bytes=0, waiting=0, timeouts=0),
        protocols={
            name: ProtocolCounts(
                listening=True, trouble=None, connections=connections, requests=asked, shed=0
            )
            for name, connections, asked in zip(("http", "resp"), (4, 16), requests, strict=True)
        },
    )
