"""The document in force, its source, and the last rejected document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from sidecar.config.errors import FieldError
from sidecar.config.values import Document
from sidecar.model.clock import Clock


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that was rejected; the one in force stayed."""

    errors: tuple[str, ...]
    source: str
    at: float


@dataclass(slots=True)
class InForce:
    """The one place that replaces the document in force. The caller has parsed the new one."""

    clock: Clock
    document: Document
    source: str = "defaults"
    applied_at: float = 0.0
    last_contact_at: float | None = None
    """When the source could last be read, whatever its content; 0 if never."""
    rejected: Rejected | None = None
    reloads: Counter[tuple[str, str]] = field(default_factory=Counter)

    def take(self, document: Document, source: str) -> bool:
        """Put a document in force; False if it already was, even from another source."""
        self.rejected = None
        self._count(source, "success")
        changed = document.revision != self.document.revision
        if changed:
            self.document, self.applied_at = document, self.clock()
        self.source = source
        return changed

    def refit(self, document: Document) -> None:
        """Replace it by the same one with other sizes, since a limit of the container changed."""
        self.document = document

    def heard(self) -> None:
        """Record that the source could be read."""
        self.last_contact_at = self.clock()

    def refuse(self, errors: Iterable[Exception | FieldError], source: str) -> None:
        """Record the errors of a document, or of fetching it; the one in force stays."""
        self._count(source, "failure")
        self.rejected = Rejected(tuple(map(str, errors)), source, self.clock())

    def _count(self, source: str, result: str) -> None:
        """Also adds the other result at 0: Prometheus sees no increase if a series starts at 1."""
        self.reloads.update({(source, "success"): 0, (source, "failure"): 0})
        self.reloads[source, result] += 1
