"""An outcome as the documentation shows it."""

from __future__ import annotations

from datetime import datetime

from sidecar.config.values import MIB
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
