"""What became of the writes of a command, or of a transaction."""

from __future__ import annotations

from collections.abc import Callable

from sidecar.model.entry import Entry
from sidecar.store.store import Written
from sidecar.tiers.disk import Unanswered


class Effect:
    """Of one write."""

    __slots__ = ("_effects", "_written")

    def __init__(self, effects: Effects) -> None:
        self._effects = effects
        self._written: Written | Unanswered | None = None

    def __call__(self, written: Written | Unanswered) -> None:
        self._written = written
        self._effects.count(written)

    @property
    def entry(self) -> Entry | None:
        """The version that it has made, once it is known."""
        return self._written.entry if isinstance(self._written, Written) else None

    def has_replaced(self) -> bool:
        return isinstance(self._written, Written) and self._written.replaced


class Effects:
    """Of all writes of one command, or of one transaction."""

    __slots__ = ("are_certain", "on_known", "outstanding")

    def __init__(self) -> None:
        self.outstanding = 0
        self.are_certain = True
        """Whether L3 has answered all that are known."""
        self.on_known: Callable[[], None] | None = None
        """Called when none is outstanding any more."""

    def begin(self) -> Effect:
        self.outstanding += 1
        return Effect(self)

    def withdraw(self, count: int) -> None:
        """So many that have begun will not be known: their writes were refused."""
        self.outstanding -= count

    def count(self, written: Written | Unanswered) -> None:
        self.outstanding -= 1
        if isinstance(written, Unanswered):
            self.are_certain = False
        if not self.outstanding and self.on_known is not None:
            self.on_known()
