"""The state of the configuration: the document in force, and the results of reloads."""

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
    """When the source was last read successfully; None if only the defaults are used."""
    reloads: Mapping[tuple[str, str], int]
    """The number of reloads, by source and result."""
