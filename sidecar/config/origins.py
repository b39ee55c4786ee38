"""The configuration of an origin: where a namespace reads what it does not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginConfig:
    """An HTTP server that has the value of every key of a namespace."""

    url: str
    """A URL with `{key}` in its path or its query."""
    timeout_seconds: float = 2.0
    """For a whole fetch: connection, head and body."""
    soft_timeout_seconds: float | None = None
    """How long a request waits for the fetch if there is a stale value to give."""
    headers: Mapping[str, str] = field(default_factory=dict, hash=False, repr=False)
    """Fields of every request. They may be secret, so they are not in the representation."""
    negative_ttl_seconds: float = 5.0
    """How long it is remembered that the origin does not have a key."""
    max_in_flight: int = 64
