"""The configuration as frozen values, parsed and validated.

Sizes are whole bytes, durations are seconds. The defaults apply if there is no document. This
module does not depend on YAML, pydantic or the source of a document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sidecar.config.namespaces import NamespaceConfig
from sidecar.config.schedules import Schedule
from sidecar.model.entry import Tier

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

CACHE_KEY = "cache.yaml"
BASELINES_KEY = "baselines.yaml"
RULES_KEY = "rules.yaml"
WARMERS_KEY = "warmers.yaml"
DOCUMENT_KEYS = (CACHE_KEY, BASELINES_KEY, RULES_KEY, WARMERS_KEY)
"""The keys of a document, in the order in which its revision hashes them."""

Compression = Literal["zstd", "none"]
Durability = Literal["process", "memory", "disk"]
Level = Literal["conservative", "balanced", "aggressive", "maximum"]
Better = Literal["higher", "lower"]

LEVELS: tuple[Level, ...] = ("conservative", "balanced", "aggressive", "maximum")
"""From the most cautious to the least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierConfig:
    """A tier's limits and eviction policy."""

    enabled: bool = True
    policy: str = "lru"
    policy_options: Mapping[str, float] = field(default_factory=dict, hash=False)
    """The keyword arguments of the policy that are set: `{"window": 0.01}`."""
    max_entries: int
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryTierConfig(TierConfig):
    """L2: a tier in memory that can compress its values."""

    compression: Compression = "zstd"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskTierConfig(TierConfig):
    """L3: a tier on a volume. A read that takes longer than the timeout is a miss."""

    timeout_seconds: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TiersConfig:
    """The three tiers."""

    l1: TierConfig = TierConfig(max_entries=100, max_bytes=10 * MIB)
    l2: MemoryTierConfig = MemoryTierConfig(max_entries=1000, max_bytes=100 * MIB)
    l3: DiskTierConfig = DiskTierConfig(max_entries=10_000, max_bytes=GIB)

    def of(self, tier: Tier) -> TierConfig:
        found: TierConfig = getattr(self, tier)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Optional metrics."""

    namespaces: tuple[str, ...] = ()
    """Namespaces whose lookups are counted separately."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConfig:
    """The values of `cache.yaml`. `CacheConfig()` has the defaults."""

    tiers: TiersConfig = field(default_factory=TiersConfig)
    promote_after: int = 2
    default_ttl_seconds: float = 3600.0
    """`math.inf` if entries do not expire."""
    max_value_bytes: int = 8 * MIB
    durability: Durability = "process"
    metrics: MetricsConfig = MetricsConfig()
    namespaces: tuple[NamespaceConfig, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectConfig:
    """The improvement that a rule expects of a signal, in a window that begins after settling."""

    signal: str
    better: Better
    by: float
    window_seconds: float = 60.0
    settle_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardConfig:
    """The limit on a rule's cost: its change is undone if the signal is worse by this share."""

    signal: str
    better: Better
    worse_by: float
    window_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleConfig:
    """A rule. Without `expect` it is a measure: its change stays while the condition holds."""

    name: str
    type: str
    enabled: bool = True
    level: Level = "balanced"
    """The lowest level at which it runs."""
    when: str
    """The condition, in CEL."""
    for_seconds: float = 0.0
    cooldown_seconds: float = 300.0
    action: str
    options: Mapping[str, object] = field(default_factory=dict, hash=False)
    """The value of `with`, validated against the options of the action."""
    expect: ExpectConfig | None = None
    guard: GuardConfig | None = None

    def runs_at(self, level: Level) -> bool:
        """Whether the rule is enabled, and `level` is at least its own level."""
        return self.enabled and LEVELS.index(self.level) <= LEVELS.index(level)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerConfig:
    """The values of `rules.yaml`."""

    enabled: bool = True
    level: Level = "balanced"
    interval_seconds: float = 30.0
    dry_run: bool = False
    rules: tuple[RuleConfig, ...] = ()
    compiled: tuple[object, ...] = field(default=(), compare=False, repr=False)
    """The same rules, compiled by the vocabulary for the optimizer; opaque to all other code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineConfig:
    """The usual value of a signal and its target value; None where not set.

    With `learn`, the baseline is the learned median of the signal. A target that is not set is then
    learned too: the value that the best 5 % of observations reach. Both decay with the half-life.
    """

    signal: str
    better: Better
    baseline: float | None = None
    target: float | None = None
    learn: bool = False
    half_life_seconds: float = 86_400.0


DEFAULT_BASELINES = (
    BaselineConfig(signal="cache.hit_ratio", better="higher", baseline=0.50, target=0.75),
    BaselineConfig(signal="http.get_p99_seconds", better="lower", baseline=0.010, target=0.002),
)
"""The baselines that apply if `baselines.yaml` has no list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateConfig:
    """The most that a warmer reads and loads in a second."""

    entries_per_second: int = 1000
    bytes_per_second: int = 8 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmerConfig:
    """A warmer: where it reads entries, when, and how fast it loads them."""

    name: str
    namespace: str | None = None
    """That of entries which state none."""
    source: str
    """The kind of source."""
    options: object = field(hash=False, repr=False)
    """The validated keys of the source, for it alone. Some may be secret."""
    on_start: bool = False
    schedule: Schedule | None = None
    jitter_seconds: float = 0.0
    """A run begins up to this much later than scheduled, so that pods do not run all at once."""
    rate: RateConfig = RateConfig()
    deadline_seconds: float = 1800.0
    replace: bool = False
    """Whether it replaces entries that were written after its run began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A valid configuration, with the texts from which it was parsed."""

    texts: Mapping[str, str] = field(hash=False)
    revision: str
    cache: CacheConfig
    optimizer: OptimizerConfig = OptimizerConfig()
    baselines: tuple[BaselineConfig, ...] = DEFAULT_BASELINES
    warmers: tuple[WarmerConfig, ...] = ()

    @classmethod
    def default(cls, cache: CacheConfig | None = None) -> Document:
        """A document without texts or rules; `cache` replaces the defaults of `cache.yaml`."""
        return cls(texts={}, revision=revision({}), cache=cache or CacheConfig())


def revision(texts: Mapping[str, str]) -> str:
    """The SHA-256 over the keys of a document, in hexadecimal.

    The hash covers the name of each key, the length of its text in bytes, and the text, so that a
    text cannot be confused with another key. An absent key adds nothing, so an empty key gives
    another revision although it configures the same. Other keys are ignored.
    """
    digest = hashlib.sha256()
    for key in DOCUMENT_KEYS:
        if key in texts:
            text = texts[key].encode("utf-8", "surrogatepass")
            digest.update(f"{key} {len(text)}\n".encode())
            digest.update(text)
    return digest.hexdigest()
