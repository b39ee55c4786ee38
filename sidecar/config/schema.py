"""The keys of `cache.yaml` and their types, as pydantic models.

A model holds only the keys that the document sets; values.py adds the defaults. Validation is
strict: `"100"` is not a number and `true` is not 1. The validation context is the Vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Self, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    create_model,
    model_validator,
)

from sidecar.config.namespaces import MAX_NAMED, WILDCARD
from sidecar.config.quantities import (
    LARGEST_CEILING,
    parse_duration,
    parse_percent,
    parse_size,
)
from sidecar.config.section import UNSTATED, Section
from sidecar.config.values import Compression, Durability
from sidecar.config.vocabulary import Vocabulary
from sidecar.config.wording import nearest, shown
from sidecar.model.entry import NAMESPACE_PATTERN, name_error
from sidecar.model.option import Option

MAX_NAMESPACES = 20
"""A limit, since each named namespace adds time series."""

_MOST_SCHEMAS = 8
"""A process has one vocabulary; tests have a few."""


def vocabulary_of(info: ValidationInfo) -> Vocabulary:
    """The vocabulary, which is the context of every validation."""
    return cast(Vocabulary, info.context)


def _positive(parse: Callable[[object], float], example: str) -> Callable[[object], float]:
    def parse_positive(value: object) -> float:
        if (number := parse(value)) > 0:
            return number
        raise ValueError(f"{shown(value)} is too small; write for example {example}")

    return parse_positive


def _duration_or_never(value: object) -> float:
    return parse_duration(value, never=True)


def _ceiling(value: object) -> float:
    if (share := parse_percent(value, at_most=LARGEST_CEILING)) >= 1:
        return share
    raise ValueError(f"{shown(value)} is less than what is configured; write at least 100%")


def _memory_policy(name: str, info: ValidationInfo) -> str:
    known = vocabulary_of(info).policies
    if name not in known:
        raise ValueError(f"{shown(name)} is not a policy; {nearest(name, known)}")
    return name


def _disk_policy(name: str, info: ValidationInfo) -> str:
    known = vocabulary_of(info).disk_policies
    if name not in known:
        raise ValueError(
            f"{shown(name)} cannot order L3, which keeps no order in memory but evicts by samples"
            f" of what is stored with an entry; {nearest(name, known)}"
        )
    return name


def _namespace(name: str) -> str:
    if (wrong := name_error(name.encode(errors="replace"), b"-")) is None:
        return name
    raise ValueError(f"{shown(name)} is no namespace; {wrong[0].lower()}{wrong[1:].rstrip('.')}")


def _namespace_pattern(name: str) -> str:
    _namespace(name.removesuffix(WILDCARD) or "-")
    return name


def between(shortest: str, longest: str) -> Callable[[object], float]:
    """A parser of durations from `shortest` to `longest`, both as written in a document."""
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
"""How long a connection may be idle; at most the server's own limit."""
Percent = Annotated[float, BeforeValidator(_positive(parse_percent, "20%"))]
"""A share above 0 % and up to 100 %."""
Ceiling = Annotated[float, BeforeValidator(_ceiling)]
"""A multiple of the configured value, from 100 % to 10,000 %."""
Timeout = Annotated[float, BeforeValidator(between("1ms", "60s"))]
"""How long an origin may take."""
NegativeTtl = Annotated[float, BeforeValidator(between("0s", "1h"))]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Namespace = Annotated[
    str, AfterValidator(_namespace), Field(json_schema_extra={"pattern": f"^{NAMESPACE_PATTERN}$"})
]


NamespacePattern = Annotated[
    str,
    AfterValidator(_namespace_pattern),
    Field(json_schema_extra={"pattern": r"^[A-Za-z0-9._-]{0,64}\*?$"}),
]
"""A name, or the beginning of names with `*` behind it."""


class L1(Section):
    """`tiers.l1`; policy options are further keys at this level."""

    enabled: bool = UNSTATED
    policy: Annotated[str, AfterValidator(_memory_policy)] = UNSTATED
    max_entries: Count = UNSTATED
    max_bytes: Size = UNSTATED


class L2(L1):
    """`tiers.l2`."""

    compression: Compression = UNSTATED


class L3(Section):
    """`tiers.l3`."""

    enabled: bool = UNSTATED
    policy: Annotated[str, AfterValidator(_disk_policy)] = UNSTATED
    max_entries: Count = UNSTATED
    max_bytes: Size = UNSTATED
    timeout: Duration = UNSTATED


class Tiers(Section):
    """`tiers`."""

    l1: L1 = UNSTATED
    l2: L2 = UNSTATED
    l3: L3 = UNSTATED


class Metrics(Section):
    """`metrics`."""

    namespaces: Annotated[list[Namespace], Field(max_length=MAX_NAMESPACES)] = UNSTATED


class Origin(Section):
    """`origin` of a namespace."""

    url: str
    timeout: Timeout = UNSTATED
    soft_timeout: Timeout = UNSTATED
    headers: dict[str, str] = UNSTATED
    negative_ttl: NegativeTtl = UNSTATED
    max_in_flight: Annotated[int, Field(ge=1, le=1000)] = UNSTATED


class NamespaceSection(Section):
    """A namespace below `namespaces`."""

    default_ttl: Lifetime = UNSTATED
    max_ttl: Duration = UNSTATED
    jitter: Percent = UNSTATED
    stale_while_revalidate: Duration = UNSTATED
    stale_if_error: Duration = UNSTATED
    sliding: bool = UNSTATED
    max_age: Duration = UNSTATED
    refresh_early: Percent = UNSTATED
    origin: Origin = UNSTATED

    @model_validator(mode="after")
    def _max_age_bounds_a_sliding_life(self) -> Self:
        if "max_age" in self.model_fields_set and self.sliding is not True:
            raise ValueError("max_age bounds a life that slides; write sliding: true too")
        return self


class Cache(Section):
    """`cache.yaml`."""

    tiers: Tiers = UNSTATED
    promote_after: Count = UNSTATED
    default_ttl: Lifetime = UNSTATED
    max_value_bytes: Size = UNSTATED
    durability: Durability = UNSTATED
    metrics: Metrics = UNSTATED
    namespaces: Annotated[dict[NamespacePattern, NamespaceSection], Field(max_length=MAX_NAMED)] = (
        UNSTATED
    )


@lru_cache(_MOST_SCHEMAS)
def cache_schema(vocabulary: Vocabulary) -> type[Cache]:
    """The model of `cache.yaml`, with the options of all known policies as keys of L1 and L2."""
    options: dict[str, Any] = {
        name: (_policy_option(option, policies), UNSTATED)
        for name, (option, policies) in vocabulary.policy_options.items()
    }
    l1 = create_model("L1", __base__=L1, **options)
    l2 = create_model("L2", __base__=L2, **options)
    tiers = create_model("Tiers", __base__=Tiers, l1=(l1, UNSTATED), l2=(l2, UNSTATED))
    return create_model("Cache", __base__=Cache, tiers=(tiers, UNSTATED))


def _policy_option(option: Option, policies: list[str]) -> Any:
    """The type of an option that only some policies have."""

    def check(value: float, info: ValidationInfo) -> float:
        if not option.above < value < option.below:
            raise ValueError(
                f"{value} is not between {option.above:g} and {option.below:g};"
                f" write for example {option.default}"
            )
        if info.data.get("policy", policies[0]) not in policies:
            has = "has" if len(policies) == 1 else "have"
            raise ValueError(
                f"only {' and '.join(policies)} {has} a {option.name};"
                f" write policy: {policies[0]} too"
            )
        return value

    bounds: dict[str, Any] = {"exclusiveMinimum": option.above, "exclusiveMaximum": option.below}
    return Annotated[type(option.default), AfterValidator(check), Field(json_schema_extra=bounds)]
