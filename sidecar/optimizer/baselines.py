"""Baselines and targets: those that the document sets, and those that are learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.config.values import BaselineConfig, Better
from sidecar.optimizer.learning import LEAST_WEIGHT, Learned
from sidecar.signals.history import History

OBSERVE_SECONDS = 10.0
"""How often a signal is observed, and the time over which it is averaged."""
MOST_A_TICK = 8
"""Signals observed per tick, the most overdue first."""
BEST_TWENTIETH: dict[Better, float] = {"higher": 0.95, "lower": 0.05}


@dataclass(frozen=True, slots=True)
class Aim:
    """The baseline and target of a signal; None if not set, or not learned yet."""

    signal: str
    better: Better
    baseline: float | None
    target: float | None
    learned: bool


class Baselines:
    """All baselines of a document, and the learned distributions."""

    def __init__(self, learned: Mapping[str, Learned] | None = None) -> None:
        self.learned: dict[str, Learned] = dict(learned or {})
        self._configs: dict[str, BaselineConfig] = {}
        self._aims: dict[str, Aim] = {}
        self._due: dict[str, float] = {}
        """When each signal is due for its next observation."""

    def configure(self, configs: tuple[BaselineConfig, ...]) -> None:
        """Use another document; keep the learned state of signals that it still learns."""
        self._configs = {config.signal: config for config in configs}
        self.learned = {
            name: self.learned.get(name) or Learned()
            for name, config in self._configs.items()
            if config.learn
        }
        self._aims = {name: self._aim(config, None) for name, config in self._configs.items()}
        self._due.clear()

    def observe(self, history: History, now: float, wall: float) -> None:
        """Add observations of the signals that are due."""
        due = [name for name in self.learned if self._due.get(name, now) <= now]
        for name in sorted(due, key=lambda name: self._due.get(name, now))[:MOST_A_TICK]:
            self._due[name] = now + OBSERVE_SECONDS
            learned, config = self.learned[name], self._configs[name]
            value = history.over(name, now - OBSERVE_SECONDS, now)
            if value is not None:
                learned.add(value, wall, config.half_life_seconds)
            self._aims[name] = self._aim(config, wall)

    @property
    def aims(self) -> list[Aim]:
        return list(self._aims.values())

    def baseline(self, signal: str) -> float | None:
        aim = self._aims.get(signal)
        return None if aim is None else aim.baseline

    def target(self, signal: str) -> float | None:
        aim = self._aims.get(signal)
        return None if aim is None else aim.target

    def _aim(self, config: BaselineConfig, wall: float | None) -> Aim:
        """The baseline and target at a time; without one, at the last observation."""
        baseline, target = config.baseline, config.target
        learned = self.learned.get(config.signal) if config.learn else None
        known = 0.0
        if learned is not None:
            known = learned.weight(learned.latest if wall is None else wall)
        if learned is not None and known >= _least_weight(config.half_life_seconds):
            baseline = learned.quantile(0.5)
            if target is None:
                target = learned.quantile(BEST_TWENTIETH[config.better])
        return Aim(config.signal, config.better, baseline, target, config.learn)


def _least_weight(half_life_seconds: float) -> float:
    """The observations required before a baseline is used: LEAST_WEIGHT, or those of one half-life
    if that is less, since with a short half-life the decayed weight never reaches LEAST_WEIGHT.
    """
    return min(LEAST_WEIGHT, half_life_seconds / OBSERVE_SECONDS)
