"""What the cache tells of itself, as shapes: counters, configuration, readiness, problems.

The docstrings and descriptions here are those of `/openapi.json`.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from sidecar.api.answers import Count, Knobs, WallTime
from sidecar.config.values import Compression, Durability
from sidecar.model.entry import Tier

PROTOCOLS = ("http", "resp")
"""Those that applications speak: the data API, and the Redis protocol."""


class Problem(Struct, frozen=True, kw_only=True):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: Annotated[str, Meta(description="What is wrong, and what to do.")]


class TierState(Struct, frozen=True, kw_only=True):
    """A tier: what it holds and may hold, and its counters since the start."""

    enabled: bool
    policy: str
    entries: Count
    max_entries: Count
    used_bytes: Count
    max_bytes: Count
    hits: Count
    misses: Count
    expired: Count
    stale: Annotated[Count, Meta(description="Lookups answered with a stale entry.")]
    evictions: Count
    expirations: Count
    promotions: Count
    demotions: Count


class L3State(Struct, frozen=True, kw_only=True):
    """The process of L3."""

    state: Annotated[str, Meta(extra_json_schema={"enum": ["opening", "up", "down"]})]
    folder_bytes: int
    pending_compaction_bytes: int
    waiting: Annotated[int, Meta(description="Requests that wait for it.")]
    timeouts: Annotated[int, Meta(description="Requests that it did not answer in time.")]


class ProtocolState(Struct, frozen=True, kw_only=True):
    """A protocol of applications, and its counters since the start."""

    listening: Annotated[
        bool, Meta(description="False if it is off, or if its default port was taken.")
    ]
    trouble: Annotated[
        str | None, Meta(description="Why its default port is not listened on; null if it is.")
    ]
    connections: Annotated[Count, Meta(description="Open connections.")]
    requests: Annotated[Count, Meta(description="Requests that were answered.")]
    shed: Annotated[
        Count, Meta(description="Requests and connections that were refused because of overload.")
    ]


class Stats(Struct, frozen=True, kw_only=True):
    """What the cache holds and has done since the start."""

    hit_ratio: float
    hits: int
    misses: int
    tiers: Annotated[dict[Tier, TierState], Meta(extra_json_schema={"required": [*Tier]})]
    l3: L3State
    protocols: Annotated[
        dict[str, ProtocolState],
        Meta(
            description="http, the data API; resp, the Redis protocol.",
            extra_json_schema={"required": [*PROTOCOLS]},
        ),
    ]
    warmed: Annotated[int, Meta(description="Entries that the last start took from L3.")]
    max_value_bytes: Annotated[
        Count,
        Meta(description="The largest value that is accepted; in little memory less than stated."),
    ]


class TierSettings(Struct, frozen=True, kw_only=True):
    """The configuration of a tier."""

    enabled: bool
    policy: Annotated[str, Meta(description="Which entries leave first.")]
    policy_options: dict[str, float]
    max_entries: Count
    max_bytes: Count


class PackedTierSettings(TierSettings, frozen=True, kw_only=True):
    """The configuration of a tier that may keep values compressed."""

    compression: Annotated[Compression, Meta(description="How values are kept.")]


class DiskTierSettings(TierSettings, frozen=True, kw_only=True):
    """The configuration of a tier on the volume."""

    timeout_seconds: Annotated[float, Meta(description="A read that takes longer is a miss.")]


class TiersSettings(Struct, frozen=True, kw_only=True):
    """The configuration of the tiers."""

    l1: TierSettings
    l2: PackedTierSettings
    l3: DiskTierSettings


class MetricsSettings(Struct, frozen=True, kw_only=True):
    """What the metrics show."""

    namespaces: Annotated[
        list[str],
        Meta(max_length=20, description="Those whose lookups Prometheus gets separately."),
    ]


class OriginSettings(Struct, frozen=True, kw_only=True):
    """The origin of a namespace. Its header fields may be secret, and are not shown."""

    url: str
    timeout_seconds: float
    soft_timeout_seconds: float | None
    negative_ttl_seconds: float
    max_in_flight: int


class NamespaceSettings(Struct, frozen=True, kw_only=True):
    """The configuration of a namespace, or of all whose names begin like this before the `*`. null:
    what is configured for all, or without a bound.
    """

    name: str
    default_ttl_seconds: float | None
    max_ttl_seconds: float | None
    jitter: Annotated[float, Meta(description="The share by which a life may be shorter.")]
    stale_while_revalidate_seconds: float
    stale_if_error_seconds: float
    sliding: bool
    max_age_seconds: float | None
    refresh_early: Annotated[
        float, Meta(description="The last share of a life in which a reader loads it anew.")
    ]
    origin: OriginSettings | None


class CacheSettings(Struct, frozen=True, kw_only=True):
    """What cache.yaml can configure, in bytes and seconds."""

    tiers: TiersSettings
    promote_after: Annotated[int, Meta(ge=1, description="Hits in L2 before an entry moves to L1.")]
    default_ttl_seconds: Annotated[
        float | None,
        Meta(description="Lifetime of a value that states none; null: it does not expire."),
    ]
    max_value_bytes: Annotated[Count, Meta(description="The largest value that is accepted.")]
    durability: Annotated[Durability, Meta(description="When a write is answered.")]
    metrics: MetricsSettings
    namespaces: list[NamespaceSettings]


class Rejected(Struct, frozen=True, kw_only=True):
    """A document that was refused."""

    errors: Annotated[list[str], Meta(description="Each with its file, line and path.")]
    source: Annotated[str, Meta(description="Where it came from: api or folder.")]
    at: WallTime


class Configuration(Struct, frozen=True, kw_only=True):
    """The document in force, and where it came from."""

    revision: Annotated[str, Meta(description="The SHA-256 over the texts.")]
    source: Annotated[
        str,
        Meta(
            description="Where the document came from: api, folder, volume (the last good one, "
            "kept there) or defaults."
        ),
    ]
    applied_at: WallTime
    document: Annotated[dict[str, str], Meta(description="The texts, by file.")]
    effective: Annotated[
        CacheSettings,
        Meta(
            description="The values in force: the defaults, overridden by the document, and both "
            "by what the optimizer has changed."
        ),
    ]
    knobs: Knobs
    rejected: Annotated[
        Rejected | None,
        Meta(description="The last document that was refused since; null if there is none."),
    ]


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether traffic should come here, and what is not as it should be, in sentences."""

    ready: bool
    notes: list[str]
