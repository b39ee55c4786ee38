"""Why an origin gave no result. Each text is a sentence, the same for the same cause, without keys
and without header fields, which may be secret.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "timeout", "unreachable", "interrupted", "malformed", "status", "unusable", "too_large",
    "redirect", "forbidden",
]  # fmt: skip
KINDS: tuple[Kind, ...] = (
    "timeout",
    "unreachable",
    "interrupted",
    "malformed",
    "status",
    "unusable",
    "too_large",
    "redirect",
    "forbidden",
)
ILL: frozenset[Kind] = frozenset(("timeout", "unreachable", "interrupted", "malformed", "status"))
"""What shows that the origin is ill, whatever the key: failures for its circuit breaker. The other
kinds are answers of a server that works, and may concern a single key.
"""


class OriginError(Exception):
    """The fetch failed. `stale-if-error` may allow to answer with the stale value (RFC 5861)."""

    def __init__(self, kind: Kind, sentence: str) -> None:
        super().__init__(sentence)
        self.kind: Kind = kind

    @property
    def status(self) -> Literal[502, 504]:
        """The status of an answer that has nothing else to give (RFC 9110, section 15.6)."""
        return 504 if self.kind == "timeout" else 502

    @property
    def is_ill(self) -> bool:
        """Whether it counts as a failure of the origin as a whole."""
        return self.kind in ILL


class NotAskedError(Exception):
    """The origin was not asked: it may have the value. `retry_after_seconds` is when to ask."""

    def __init__(self, sentence: str, retry_after_seconds: float = 1.0) -> None:
        super().__init__(sentence)
        self.retry_after_seconds = retry_after_seconds


class TooManyFetchesError(NotAskedError):
    """As many fetches as may be are in flight, or there is no memory for another value."""


class BreakerOpenError(NotAskedError):
    """The origin failed so often that it is given time to recover."""


class UnsafeKeyError(Exception):
    """The key cannot be part of a URL of this origin: the URL could leave the origin's path."""
