"""The document in force, where it came from, and what was refused since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sidecar.config.errors import FieldError, InvalidDocument
from sidecar.config.values import Document
from sidecar.model.clock import Clock


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that was refused; the one in force stayed."""

    errors: tuple[str, ...]
    at: float


@dataclass(slots=True)
class InForce:
    """Every source ends here: parse, then swap once. The same content twice is no event."""

    clock: Clock
    parse: Callable[[Mapping[str, str]], Document]
    document: Document
    source: str = "defaults"
    applied_at: float = 0.0
    last_contact_at: float | None = None
    """When the source could last be read, whatever it said."""
    rejected: Rejected | None = None
    reloads: Counter[tuple[str, str]] = field(default_factory=Counter)

    def offer(self, texts: Mapping[str, str], source: str) -> bool:
        """Take a document if it is good and new; True when it is in force from now on.

        Raises InvalidDocument, after keeping its errors for whoever asks.
        """
        self.heard()
        try:
            document = self.parse(texts)
        except InvalidDocument as error:
            self.refuse(error.errors, source)
            raise
        self.rejected = None
        self.reloads[source, "success"] += 1
        changed = document.revision != self.document.revision or self.source != source
        if changed:
            self.document, self.source, self.applied_at = document, source, self.clock()
        return changed

    def heard(self) -> None:
        """The source could be read."""
        self.last_contact_at = self.clock()

    def refuse(self, errors: Iterable[Exception | FieldError], source: str) -> None:
        """Keep what was wrong with a document, or with getting it; the one in force stays."""
        self.reloads[source, "failure"] += 1
        self.rejected = Rejected(tuple(map(str, errors)), self.clock())
