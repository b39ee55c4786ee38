"""One-shot changes: performed once, and not undone."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ONE_SHOTS: Mapping[str, str] = MappingProxyType(
    {
        "release_memory": "Collect garbage, and return free heap to the system.",
        "collect": "Run a full garbage collection.",
        "compact_l3": "Rewrite L3's tables, which gives the space of dead entries back.",
        "warm": "Load the entries that are used most and that only L3 has into memory.",
    }
)
