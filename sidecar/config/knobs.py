"""The knobs: the settings that can change while the sidecar runs, by name.

A knob is one of the values in force: a setting of the document, or one that only the optimizer
changes (`Tuning`). Turning a knob returns new values; `app` puts them in force.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast, get_args

from sidecar.config.quantities import LARGEST_CEILING, LARGEST_SIZE, LONGEST_SECONDS
from sidecar.config.values import CacheConfig, Compression
from sidecar.config.vocabulary import Vocabulary
from sidecar.model.change import Size, Turn, Value

Admission = Literal["every", "second"]
InFlight = Literal["unlimited", "adaptive"]

LEAST_LIFETIME_SECONDS = 0.001
LEAST_PACE = 0.0001
MOST_FREEZES = 8
"""Frozen garbage in cycles is not collected until all objects are unfrozen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The settings that only the optimizer changes. The defaults are the values without it."""

    l3_admission: Admission = "every"
    """Which puts of a key L3 takes: every one, or those from the second on within some time."""
    l3_write_bytes_per_second: float = math.inf
    background_pace: float = 1.0
    """The speed of sweeps, warming and snapshots, as a share of their usual speed."""
    in_flight: InFlight = "unlimited"
    """Whether requests beyond a limit derived from latency are shed."""
    keepalive_seconds: float = 75.0
    gc_threshold: int = 20_000
    """Allocations before the youngest generation is collected."""
    gc_frozen: int = 0
    """The number of times that the existing objects were frozen (`gc.freeze`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """All values in force."""

    cache: CacheConfig = field(default_factory=CacheConfig)
    tuning: Tuning = field(default_factory=Tuning)


Allows = Callable[[Value, Value, Vocabulary], bool]
"""Whether a knob may have a value, given its configured one and the known names."""


@dataclass(frozen=True, slots=True)
class Knob:
    """One of the values in force. `write` checks no bounds; actions keep to them, and what an
    earlier process has left on the volume is checked with `allows`.
    """

    name: str
    meaning: str
    read: Callable[[Effective], Value]
    write: Callable[[Effective, Any], Effective]
    allows: Allows


Knobs = Mapping[str, Knob]
"""Knobs by name, in display order."""


def turned(knobs: Knobs, effective: Effective, turn: Turn) -> Effective:
    """The values with one knob turned. Raises KeyError if the knob does not exist."""
    return knobs[turn.knob].write(effective, turn.to)


def _tier(effective: Effective, tier: str, **changes: Any) -> Effective:
    tiers = effective.cache.tiers
    changed = replace(getattr(tiers, tier), **changes)
    cache = replace(effective.cache, tiers=replace(tiers, **{tier: changed}))
    return replace(effective, cache=cache)


def _size(tier: str, name: str) -> Knob:
    def read(effective: Effective) -> Value:
        config = getattr(effective.cache.tiers, tier)
        return Size(config.max_entries, config.max_bytes)

    def write(effective: Effective, size: Size) -> Effective:
        return _tier(effective, tier, max_entries=size.max_entries, max_bytes=size.max_bytes)

    def allows(size: Value, configured: Value, _: Vocabulary) -> bool:
        if not (isinstance(size, Size) and isinstance(configured, Size)):
            return False
        most_bytes = min(LARGEST_CEILING * configured.max_bytes, LARGEST_SIZE)
        return (
            1 <= size.max_entries <= LARGEST_CEILING * configured.max_entries
            and 1 <= size.max_bytes <= most_bytes
        )

    meaning = f"Limits of {name}: entries and bytes."
    return Knob(f"tiers.{tier}.size", meaning, read, write, allows)


def _policy(tier: str, name: str) -> Knob:
    def read(effective: Effective) -> Value:
        policy: str = getattr(effective.cache.tiers, tier).policy
        return policy

    def write(effective: Effective, policy: str) -> Effective:
        return _tier(effective, tier, policy=policy, policy_options={})

    def allows(policy: Value, _: Value, vocabulary: Vocabulary) -> bool:
        return policy in (vocabulary.disk_policies if tier == "l3" else vocabulary.policies)

    return Knob(f"tiers.{tier}.policy", f"Eviction policy of {name}.", read, write, allows)


def _cache(name: str, attribute: str, meaning: str, allows: Allows) -> Knob:
    def read(effective: Effective) -> Value:
        value: Value = getattr(effective.cache, attribute)
        return value

    def write(effective: Effective, value: Value) -> Effective:
        changes: dict[str, Any] = {attribute: value}
        return replace(effective, cache=replace(effective.cache, **changes))

    return Knob(name, meaning, read, write, allows)


def _tuning(name: str, attribute: str, meaning: str, allows: Allows) -> Knob:
    def read(effective: Effective) -> Value:
        value: Value = getattr(effective.tuning, attribute)
        return value

    def write(effective: Effective, value: Value) -> Effective:
        changes: dict[str, Any] = {attribute: value}
        return replace(effective, tuning=replace(effective.tuning, **changes))

    return Knob(name, meaning, read, write, allows)


def _compression() -> Knob:
    return Knob(
        "tiers.l2.compression",
        "Compression of values in L2: zstd or none.",
        lambda effective: effective.cache.tiers.l2.compression,
        lambda effective, value: _tier(effective, "l2", compression=value),
        _one_of(Compression),
    )


def _one_of(words: Any) -> Allows:
    """The words of a Literal."""
    return lambda value, _configured, _known: value in get_args(words)


def _whole(least: int, most: int) -> Allows:
    return lambda value, _configured, _known: type(value) is int and least <= value <= most


def _number(least: float, most: float) -> Allows:
    """Numbers within these bounds, which `nan` is not."""
    return lambda value, _configured, _known: (
        type(value) in (int, float) and least <= cast(float, value) <= most
    )


def _lifetime(value: Value, configured: Value, known: Vocabulary) -> bool:
    return value == math.inf or _number(LEAST_LIFETIME_SECONDS, LONGEST_SECONDS)(
        value, configured, known
    )


KNOBS = (
    _size("l1", "L1"),
    _size("l2", "L2"),
    _size("l3", "L3"),
    _policy("l1", "L1"),
    _policy("l2", "L2"),
    _policy("l3", "L3"),
    _compression(),
    _cache(
        "promote_after",
        "promote_after",
        "Hits in L2 before an entry moves to L1.",
        _whole(1, 1_000_000_000),
    ),
    _cache(
        "default_ttl",
        "default_ttl_seconds",
        "Lifetime in seconds of entries stored without one.",
        _lifetime,
    ),
    _tuning(
        "l3.admission",
        "l3_admission",
        "Which puts of a key L3 takes: every one, or those from the second on.",
        _one_of(Admission),
    ),
    _tuning(
        "l3.write_bytes_per_second",
        "l3_write_bytes_per_second",
        "Limit of the bytes written to L3 per second.",
        _number(1, math.inf),
    ),
    _tuning(
        "background.pace",
        "background_pace",
        "Speed of sweeps, warming and snapshots, as a share of the usual speed.",
        _number(LEAST_PACE, 1),
    ),
    _tuning(
        "network.in_flight",
        "in_flight",
        "Limit of requests in progress: unlimited, or adaptive to latency.",
        _one_of(InFlight),
    ),
    _tuning(
        "network.keepalive_seconds",
        "keepalive_seconds",
        "How long a connection may be idle before it is closed.",
        _number(1, 75),
    ),
    _tuning(
        "gc.threshold",
        "gc_threshold",
        "Allocations before the youngest generation is collected.",
        _whole(20_000, 2_000_000),
    ),
    _tuning(
        "gc.frozen",
        "gc_frozen",
        "Number of times that objects were frozen; lowering it unfreezes all.",
        _whole(0, MOST_FREEZES),
    ),
)
