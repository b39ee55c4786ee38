"""The verdict on the difference between the windows before and after a change."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sidecar.config.quantities import format_percent
from sidecar.config.values import Better, ExpectConfig, GuardConfig
from sidecar.model.outcome import Verdict
from sidecar.optimizer.noise import Threshold

GUARD_CHECKS = 4
"""The number of checks that a guard makes while its window after the change fills."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and the difference relative to `before`: positive if the signal improved."""

    verdict: Verdict
    effect_ratio: float
    reason: str


def judge(expect: ExpectConfig, before: float, after: float, noise: Threshold) -> Judgement:
    """Improved if the difference exceeds both the expected share and the noise; regressed if it
    exceeds both in the other direction; else neutral.
    """
    effect = gain_ratio(expect.better, before, after)
    real = noise.exceeded(before, after)
    least = expect.by * abs(before)
    if real and abs(after - before) > least:
        verdict: Verdict = "improved" if effect > 0 else "regressed"
        return Judgement(verdict, effect, f"{expect.signal} went from {before:.4g} to {after:.4g}.")
    if real:
        share = format_percent(expect.by)
        reason = f"The difference is real, but no more than {share} of what it was before."
    else:
        reason = "The difference is no larger than between windows without a change."
    return Judgement("neutral", effect, reason)


def gain_ratio(better: Better, before: float, after: float) -> float:
    """The difference relative to `before`, positive if better; infinite if `before` is zero."""
    gain = after - before if better == "higher" else before - after
    if gain == 0:
        return 0.0
    return gain / abs(before) if before else math.copysign(math.inf, gain)


def check_times(guard: GuardConfig, settled_at: float) -> list[float]:
    """The times of a guard's checks, for a change that settles at `settled_at`."""
    step = guard.window_seconds / GUARD_CHECKS
    return [settled_at + step * (count + 1) for count in range(GUARD_CHECKS)]


def loss(better: Better, before: float, after: float) -> float:
    """How much worse the signal is, in its unit; 0 if it is not worse."""
    return max(0.0, before - after if better == "higher" else after - before)
