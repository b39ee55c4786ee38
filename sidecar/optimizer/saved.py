"""Checks the state that an earlier process saved: the volume is not trusted.

Each part is taken or dropped on its own. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

from sidecar.config.knobs import Effective, Knobs, turned
from sidecar.config.values import CacheConfig
from sidecar.config.vocabulary import Vocabulary
from sidecar.model.change import Turn
from sidecar.model.outcome import Outcome
from sidecar.optimizer.decisions import SavedState
from sidecar.optimizer.learning import Learned
from sidecar.optimizer.overlay import KeptTurn
from sidecar.optimizer.standing import Cooldown

MOST_LETTERS = 1000
"""The longest name or sentence in an outcome. All letters can be printed: others may be commands to
the terminal that shows it.
"""
MOST_SECONDS = 1e11
"""In the year 5138: later times cannot be shown as a date."""

T = TypeVar("T", Cooldown, Learned)


def checked(
    saved: SavedState,
    configured: Effective,
    knobs: Knobs,
    vocabulary: Vocabulary,
    fits: Callable[[CacheConfig], bool],
) -> tuple[SavedState, list[str]]:
    """The parts that can be used, and the names of those that cannot.

    A kept value has to be one that its knob may have, and the tiers have to fit the limits with it.
    """
    dropped: list[str] = []
    kept: dict[str, KeptTurn] = {}
    effective = configured
    for name, turn in saved.kept.items():
        knob = knobs.get(name)
        if knob is not None and knob.read(configured) != turn.configured:
            continue  # the configuration has changed, so it would not be restored anyway
        if knob is not None and knob.allows(turn.value, turn.configured, vocabulary):
            changed = turned(knobs, effective, Turn(name, turn.value))
            if fits(changed.cache):
                kept[name], effective = turn, changed
                continue
        dropped.append(name)
    outcomes = [outcome for outcome in saved.outcomes if _can_be_shown(outcome)]
    if len(outcomes) < len(saved.outcomes):
        dropped.append(f"{len(saved.outcomes) - len(outcomes)} outcomes")
    cooldowns = _plausible("cooldown", saved.cooldowns, dropped)
    learned = _plausible("baseline", saved.learned, dropped)
    return SavedState(kept, outcomes, cooldowns, learned), dropped


def _can_be_shown(outcome: Outcome) -> bool:
    texts = (outcome.rule, outcome.type, outcome.action, outcome.knob, outcome.signal)
    values = (outcome.from_, outcome.to, outcome.reason)
    figures = (outcome.before, outcome.after, outcome.noise, outcome.effect_ratio, *values)
    return (
        all(
            len(text) <= MOST_LETTERS and text.isprintable()
            for text in (*texts, *values)
            if isinstance(text, str)
        )
        and not any(isinstance(it, float) and math.isnan(it) for it in figures)
        and all(0 <= at < MOST_SECONDS for at in (outcome.started_at, outcome.ended_at))
    )


def _plausible(kind: str, parts: Mapping[str, T], dropped: list[str]) -> dict[str, T]:
    dropped += (f"{kind} of {name}" for name, part in parts.items() if not part.plausible)
    return {name: part for name, part in parts.items() if part.plausible}
