"""An option that a policy declares; the configuration and the command line read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A number between two exclusive bounds. The type of `default` is that of the option."""

    name: str
    meaning: str
    default: float
    above: float
    below: float
