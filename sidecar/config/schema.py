"""The keys of `cache.yaml` and what each accepts, as pydantic models.

They hold what the operator stated, no more: defaults are added afterwards, in values.py's types.
Validation is strict, so that `"100"` is no number and `true` is no 1. The context of a validation
is the collection of policies known in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from sidecar.config.quantities import parse_duration, parse_percent, parse_size
from sidecar.config.values import Compression, Durability
from sidecar.config.wording import nearest, shown
from sidecar.model.entry import name_error

MAX_NAMESPACES = 20
"""Each that is named has series of its own."""

DISK_POLICIES = ("fifo", "lfu", "lru", "random", "ttl")
"""The orders that L3 can keep: those that a sample of stored metadata decides."""

WINDOW_POLICY = "w_tinylfu"

# Fields that were not stated are left out of the dump, so nobody ever sees this value.
UNSTATED: Any = None


def _positive(parse: Callable[[object], float], example: str) -> Callable[[object], float]:
    def parse_positive(value: object) -> float:
        if (number := parse(value)) > 0:
            return number
        raise ValueError(f"{shown(value)} is too small; write for example {example}")

    return parse_positive


def _duration_or_never(value: object) -> float:
    return parse_duration(value, never=True)


def _ceiling(value: object) -> float:
    if (share := parse_percent(value, at_most=100.0)) >= 1:
        return share
    raise ValueError(f"{shown(value)} is less than what is configured; write at least 100%")


def _memory_policy(name: str, info: ValidationInfo) -> str:
    known: Collection[str] = info.context or ()
    if name not in known:
        raise ValueError(f"{shown(name)} is not a policy; {nearest(name, known)}")
    return name


def _disk_policy(name: str) -> str:
    if name not in DISK_POLICIES:
        raise ValueError(
            f"{shown(name)} cannot order L3, which keeps no order in memory but evicts by samples"
            f" of what is stored with an entry; {nearest(name, DISK_POLICIES)}"
        )
    return name


def _window(share: float, info: ValidationInfo) -> float:
    if not 0 < share < 1:
        raise ValueError(f"{share} is not between 0 and 1; write for example 0.01")
    if info.data.get("policy", WINDOW_POLICY) != WINDOW_POLICY:
        raise ValueError(f"only {WINDOW_POLICY} has a window; write policy: {WINDOW_POLICY} too")
    return share


def _namespace(name: str) -> str:
    if (wrong := name_error(name.encode(errors="replace"), b"-")) is None:
        return name
    raise ValueError(f"{shown(name)} is no namespace; {wrong[0].lower()}{wrong[1:].rstrip('.')}")


def between(shortest: str, longest: str) -> Callable[[object], float]:
    """A duration that is neither shorter nor longer; each as it is written."""
    least, most = parse_duration(shortest), parse_duration(longest)

    def parse(value: object) -> float:
        seconds = parse_duration(value)
        if seconds < least:
            raise ValueError(f"{shown(value)} is too short; write at least {shortest}")
        if seconds > most:
            raise ValueError(f"{shown(value)} is too long; write at most {longest}")
        return seconds

    return parse


Size = Annotated[int, BeforeValidator(_positive(parse_size, "100MiB"))]
Duration = Annotated[float, BeforeValidator(_positive(parse_duration, "30s"))]
Lifetime = Annotated[float, BeforeValidator(_positive(_duration_or_never, "1h, or never"))]
IdleTime = Annotated[float, BeforeValidator(between("1s", "75s"))]
"""How long a connection may be idle: never longer than the server lets any."""
Percent = Annotated[float, BeforeValidator(_positive(parse_percent, "20%"))]
"""A share: more than nothing, at most all."""
Ceiling = Annotated[float, BeforeValidator(_ceiling)]
"""A multiple of what is configured, as a percentage from 100 to 10,000."""
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class Section(BaseModel):
    """A mapping of the document."""

    model_config = ConfigDict(strict=True, extra="forbid", use_attribute_docstrings=True)


class MemoryTier(Section):
    """`tiers.l1`."""

    enabled: bool = UNSTATED
    policy: Annotated[str, AfterValidator(_memory_policy)] = UNSTATED
    window: Annotated[float, AfterValidator(_window)] = UNSTATED
    max_entries: Count = UNSTATED
    max_bytes: Size = UNSTATED


class CompressedTier(MemoryTier):
    """`tiers.l2`."""

    compression: Compression = UNSTATED


class DiskTier(Section):
    """`tiers.l3`."""

    enabled: bool = UNSTATED
    policy: Annotated[str, AfterValidator(_disk_policy)] = UNSTATED
    max_entries: Count = UNSTATED
    max_bytes: Size = UNSTATED
    timeout: Duration = UNSTATED


class Tiers(Section):
    """`tiers`."""

    l1: MemoryTier = UNSTATED
    l2: CompressedTier = UNSTATED
    l3: DiskTier = UNSTATED


class Metrics(Section):
    """`metrics`."""

    namespaces: Annotated[
        list[Annotated[str, AfterValidator(_namespace)]], Field(max_length=MAX_NAMESPACES)
    ] = UNSTATED


class Cache(Section):
    """`cache.yaml`."""

    tiers: Tiers = UNSTATED
    promote_after: Count = UNSTATED
    default_ttl: Lifetime = UNSTATED
    max_value_bytes: Size = UNSTATED
    durability: Durability = UNSTATED
    metrics: Metrics = UNSTATED
