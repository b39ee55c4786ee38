"""Turns knobs of a running sidecar, and records which ones a test has turned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from sidecar.app.actuators import Figures
from sidecar.app.sidecar import Sidecar
from sidecar.catalogue import CATALOGUE
from sidecar.config.knobs import Effective, turned
from sidecar.config.values import CacheConfig, TiersConfig
from sidecar.model.change import Turn, Value

Test = TypeVar("Test", bound=Callable[..., Any])

SHOWN: set[str] = set()
"""Knobs and one-shot changes whose effect a test shows."""


def shows(*names: str) -> Callable[[Test], Test]:
    """Marks a test that shows the effect of knobs or one-shot changes."""

    def mark(test: Test) -> Test:
        SHOWN.update(names)
        return test

    return mark


class Panel:
    """The values in force of one sidecar, changed one by one."""

    def __init__(self, sidecar: Sidecar, cache: CacheConfig | None = None) -> None:
        self._sidecar = sidecar
        self.effective = Effective(cache=cache or CacheConfig())
        sidecar.actuators.put_in_force(self.effective)

    def turn(self, knob: str, to: Value) -> None:
        self.effective = turned(CATALOGUE.knobs, self.effective, Turn(knob, to))
        self._sidecar.actuators.put_in_force(self.effective)

    def set(self, **values: Any) -> None:
        """Set values of the document."""
        cache = replace(self.effective.cache, **values)
        self.effective = replace(self.effective, cache=cache)
        self._sidecar.actuators.put_in_force(self.effective)


def number(figures: Figures, name: str) -> float:
    """A value that is a number."""
    value = figures[name]
    assert not isinstance(value, str)
    return value


def small(**tiers: dict[str, Any]) -> CacheConfig:
    """The defaults with some values of tiers changed: `small(l1={"max_entries": 1})`."""
    defaults = TiersConfig()
    changed = {name: replace(getattr(defaults, name), **to) for name, to in tiers.items()}
    return CacheConfig(tiers=replace(defaults, **changed))
