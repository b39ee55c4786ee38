"""The document in force, where it came from, and what was refused since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from sidecar.config.errors import FieldError
from sidecar.config.values import Document
from sidecar.model.clock import Clock


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that was refused; the one in force stayed."""

    errors: tuple[str, ...]
    source: str
    at: float


@dataclass(slots=True)
class InForce:
    """Every source ends here: a document is taken, and swapped once. Who asks has parsed it."""

    clock: Clock
    document: Document
    source: str = "defaults"
    applied_at: float = 0.0
    last_contact_at: float | None = None
    """When the source could last be read, whatever it said; 0 where it never could yet."""
    rejected: Rejected | None = None
    reloads: Counter[tuple[str, str]] = field(default_factory=Counter)

    def take(self, document: Document, source: str) -> bool:
        """Let a document be in force; False where it was already, be it from another source."""
        self.rejected = None
        self._count(source, "success")
        changed = document.revision != self.document.revision
        if changed:
            self.document, self.applied_at = document, self.clock()
        self.source = source
        return changed

    def heard(self) -> None:
        """The source could be read."""
        self.last_contact_at = self.clock()

    def refuse(self, errors: Iterable[Exception | FieldError], source: str) -> None:
        """Keep what was wrong with a document, or with getting it; the one in force stays."""
        self._count(source, "failure")
        self.rejected = Rejected(tuple(map(str, errors)), source, self.clock())

    def _count(self, source: str, result: str) -> None:
        """With the other result at 0: Prometheus sees no increase where a series begins with 1."""
        self.reloads.update({(source, "success"): 0, (source, "failure"): 0})
        self.reloads[source, result] += 1
