"""Situations for tests of actions: one with example figures, and strategies for arbitrary ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import strategies as st

from sidecar.catalogue import CATALOGUE, Catalogue
from sidecar.config.knobs import Effective, Tuning
from sidecar.config.values import GIB, CacheConfig, DiskTierConfig, MemoryTierConfig, TierConfig
from sidecar.config.values import TiersConfig as Tiers
from sidecar.model.change import Turn
from sidecar.model.entry import Tier
from sidecar.model.snapshot import Snapshot, TierSnapshot
from sidecar.model.stats import StoreStats
from sidecar.optimizer.situation import STEPS, Situation
from sidecar.store.snapshot import tier_snapshot

DEFAULTS = Effective()
KNOBS = CATALOGUE.knobs


def situation(
    effective: Effective = DEFAULTS,
    *,
    configured: Effective | None = None,
    held: Mapping[str, tuple[int, int]] | None = None,
    signals: Mapping[str, float] | None = None,
    step: float = 0.5,
    l3_state: str = "up",
    l3_folder_bytes: int = 0,
) -> Situation:
    """A situation; `held` has entries and bytes by tier. Omitted values are empty or missing."""
    counts = StoreStats()
    amounts = held or {}
    tiers = effective.cache.tiers

    return Situation(
        cache=Snapshot(
            tiers=tuple(
                tier_snapshot(tier, tiers.of(tier), *amounts.get(tier, (0, 0)), counts)
                for tier in Tier
            ),
            counts=counts,
            l3_state=l3_state,
            l3_folder_bytes=l3_folder_bytes,
            l3_pending_compaction_bytes=0,
            l3_waiting=0,
            max_value_bytes=effective.cache.max_value_bytes,
        ),
        effective=effective,
        configured=configured or effective,
        signal=dict(signals or {}).get,
        step=step,
        knobs=KNOBS,
    )


def standing(knobs: Mapping[str, Any]) -> Effective:
    """The default values with some knobs turned."""
    effective = DEFAULTS
    for name, value in knobs.items():
        effective = KNOBS[name].write(effective, value)
    return effective


def without(tier: str) -> Effective:
    """The default values with a tier disabled."""
    tiers = DEFAULTS.cache.tiers
    off = replace(tiers, **{tier: replace(getattr(tiers, tier), enabled=False)})
    return replace(DEFAULTS, cache=replace(DEFAULTS.cache, tiers=off))


def after(moment: Situation, turn: Turn) -> Situation:
    """The situation after a turn was applied, with unchanged contents of the tiers."""
    effective = moment.turned(turn)
    old, new = moment.effective.cache.tiers, effective.cache.tiers
    held = {
        state.tier.value: (
            state.entries * getattr(new, state.tier).max_entries // _of(old, state).max_entries,
            state.used_bytes * getattr(new, state.tier).max_bytes // _of(old, state).max_bytes,
        )
        for state in moment.cache.tiers
    }
    moved = situation(effective, held=held, l3_state=moment.cache.l3_state)
    folder_bytes = moment.cache.l3_folder_bytes
    return replace(
        moment, effective=effective, cache=replace(moved.cache, l3_folder_bytes=folder_bytes)
    )


def _of(tiers: Tiers, state: TierSnapshot) -> TierConfig:
    config: TierConfig = getattr(tiers, state.tier)
    return config


limits = {"max_entries": st.integers(1, 10**9), "max_bytes": st.integers(1, 1 << 50)}
fills = st.sampled_from([0.0, 0.001, 0.3, 0.89, 0.9, 1.0, 1.5])
"""Above 1 while a tier is being drained."""
holdings = st.fixed_dictionaries(dict.fromkeys(Tier, st.tuples(fills, fills)))
numbers = st.one_of(st.none(), st.sampled_from([0.0, 1e-9, 0.5, 1.0, 1e6, 1e9, 1e18, math.inf]))
mostly = st.sampled_from([True] * 5 + [False])
tunings = st.builds(
    Tuning,
    l3_admission=st.sampled_from(["every", "second"]),
    l3_write_bytes_per_second=st.one_of(st.just(math.inf), st.floats(1.0, 1e12)),
    background_pace=st.floats(0.01, 1.0),
    in_flight=st.sampled_from(["unlimited", "adaptive"]),
    keepalive_seconds=st.floats(0.1, 1e6),
    gc_threshold=st.integers(1, 10**7),
    gc_frozen=st.integers(0, 20),
)

# Strategies are kept: Hypothesis checks each one anew, which takes longer than to draw from it.


@cache
def effectives(catalogue: Catalogue = CATALOGUE) -> st.SearchStrategy[Effective]:
    """Arbitrary values of all knobs, with tiers enabled or disabled."""
    policies = st.sampled_from(sorted(catalogue.policies))
    in_memory: dict[str, Any] = {"enabled": mostly, "policy": policies, **limits}
    tiers = st.builds(
        Tiers,
        l1=st.builds(TierConfig, **in_memory),
        l2=st.builds(MemoryTierConfig, **in_memory, compression=st.sampled_from(["zstd", "none"])),
        l3=st.builds(
            DiskTierConfig,
            enabled=mostly,
            policy=st.sampled_from(sorted(catalogue.policies.scores)),
            **limits,
        ),
    )
    cache_configs = st.builds(
        CacheConfig,
        tiers=tiers,
        promote_after=st.integers(1, 10),
        default_ttl_seconds=st.one_of(st.just(math.inf), st.floats(0.001, 1e9)),
    )
    return st.builds(Effective, cache=cache_configs, tuning=tunings)


@cache
def situations(catalogue: Catalogue = CATALOGUE) -> st.SearchStrategy[Situation]:
    """Any situation: knobs near to or far from the configuration, signals missing or extreme."""
    signals = st.dictionaries(st.sampled_from(sorted(catalogue.signals)), numbers, max_size=8)

    @st.composite
    def drawn(draw: st.DrawFn) -> Situation:
        configured = draw(effectives(catalogue))
        effective = configured if draw(st.booleans()) else draw(effectives(catalogue))
        tiers = effective.cache.tiers
        held = {
            tier.value: (
                int(entries * tiers.of(tier).max_entries),
                int(size_bytes * tiers.of(tier).max_bytes),
            )
            for tier, (entries, size_bytes) in draw(holdings).items()
        }
        known = dict.fromkeys(catalogue.signals, draw(numbers)) | draw(signals)
        moment = situation(
            effective,
            configured=configured,
            held=held,
            signals={name: value for name, value in known.items() if value is not None},
            step=draw(st.sampled_from(sorted(STEPS.values()))),
            l3_state=draw(st.sampled_from(["up"] * 4 + ["down", "opening"])),
            l3_folder_bytes=draw(st.integers(0, 100 * GIB)),
        )
        return replace(moment, knobs=catalogue.knobs)

    return drawn()
