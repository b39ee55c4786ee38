"""How the configuration is: which document is in force, and what came of those that were seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConfigReport:
    """Times are wall clock seconds."""

    revision: str
    source: str
    last_reload_successful: bool
    applied_at: float
    last_contact_at: float | None
    """When the source could last be read; None where there is no source but the defaults."""
    reloads: Mapping[tuple[str, str], int]
    """By source and result."""
