"""What the program is configured with: frozen values, already parsed, already checked.

Sizes are whole bytes, durations are seconds. The defaults written here are the ones in force
without any document. Nothing here knows YAML, pydantic or where a document came from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sidecar.model.entry import Tier

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

CACHE_KEY = "cache.yaml"
BASELINES_KEY = "baselines.yaml"
RULES_KEY = "rules.yaml"
WARMERS_KEY = "warmers.yaml"
DOCUMENT_KEYS = (CACHE_KEY, BASELINES_KEY, RULES_KEY, WARMERS_KEY)
"""The keys of one document, in the order in which its revision counts them."""

Compression = Literal["zstd", "none"]
Durability = Literal["process", "memory", "disk"]
Level = Literal["conservative", "balanced", "aggressive", "maximum"]
Better = Literal["higher", "lower"]

LEVELS: tuple[Level, ...] = ("conservative", "balanced", "aggressive", "maximum")
"""From the least to the most that the optimizer may do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierConfig:
    """A tier: what it may hold, and in which order entries leave it."""

    enabled: bool = True
    policy: str = "lru"
    policy_options: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Keyword arguments of the policy, those that were stated: `{"window": 0.01}`."""
    max_entries: int
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryTierConfig(TierConfig):
    """L2: a tier in memory that may keep its values compressed."""

    compression: Compression = "zstd"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskTierConfig(TierConfig):
    """L3: a tier on a volume. A read that it does not answer in time is a miss."""

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
    """What the metrics show beyond the usual."""

    namespaces: tuple[str, ...] = ()
    """Those whose lookups are counted apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConfig:
    """What `cache.yaml` says. `CacheConfig()` is what holds without one."""

    tiers: TiersConfig = field(default_factory=TiersConfig)
    promote_after: int = 2
    default_ttl_seconds: float = 3600.0
    """`math.inf` where entries do not expire."""
    max_value_bytes: int = 8 * MIB
    durability: Durability = "process"
    metrics: MetricsConfig = MetricsConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectConfig:
    """What a rule promises: this signal better by this share, over a window after settling."""

    signal: str
    better: Better
    by: float
    window_seconds: float = 60.0
    settle_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardConfig:
    """What a rule must not cost: this signal worse by more than this share."""

    signal: str
    better: Better
    worse_by: float
    window_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleConfig:
    """A rule. Without `expect` it is a measure, whose change stays while its condition holds."""

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
    """`with`, as it was written and found to be good for the action."""
    expect: ExpectConfig | None = None
    guard: GuardConfig | None = None

    def runs_at(self, level: Level) -> bool:
        """Whether it is enabled, and the level is no lower than its own."""
        return self.enabled and LEVELS.index(self.level) <= LEVELS.index(level)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerConfig:
    """What `rules.yaml` says."""

    enabled: bool = True
    level: Level = "balanced"
    interval_seconds: float = 30.0
    dry_run: bool = False
    rules: tuple[RuleConfig, ...] = ()
    compiled: tuple[object, ...] = field(default=(), compare=False, repr=False)
    """The same rules as the vocabulary compiled them, for the optimizer; opaque to the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineConfig:
    """What a signal usually is, and what it should be. None where nothing was stated.

    With `learn`, the baseline is the signal's median and, where no target was stated, the target
    its best twentieth, both decaying with the half-life.
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
"""What is in force where `baselines.yaml` has no list of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A configuration that was found to be good, with the texts it was read from."""

    texts: Mapping[str, str] = field(hash=False)
    revision: str
    cache: CacheConfig
    optimizer: OptimizerConfig = OptimizerConfig()
    baselines: tuple[BaselineConfig, ...] = DEFAULT_BASELINES

    @classmethod
    def default(cls, cache: CacheConfig | None = None) -> Document:
        """No text, and no rules, which are read from one; `cache` where it had to be fitted."""
        return cls(texts={}, revision=revision({}), cache=cache or CacheConfig())


def revision(texts: Mapping[str, str]) -> str:
    """The SHA-256, in hexadecimal, over the keys of a document.

    Each key that is present counts with its name and the length of its text in bytes, so that no
    text can be taken for another key. A key that is absent counts nothing; one that is present but
    empty therefore gives another revision, although it configures the same. Keys that are no part
    of the document are ignored.
    """
    digest = hashlib.sha256()
    for key in DOCUMENT_KEYS:
        if key in texts:
            text = texts[key].encode("utf-8", "surrogatepass")
            digest.update(f"{key} {len(text)}\n".encode())
            digest.update(text)
    return digest.hexdigest()
