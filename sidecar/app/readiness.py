"""Whether the sidecar is ready, and what is wrong: the answer of `/readyz`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sidecar.api.state import Readiness
from sidecar.store.store import Store
from sidecar.tiers.disk import State
from sidecar.tiers.process import DiskProcess


class ReadinessCheck:
    """Ready from when L3 was opened or given up, until the sidecar begins to stop.

    `notes` give what others have to say about it, in sentences.
    """

    def __init__(
        self, store: Store, process: DiskProcess, notes: Sequence[Callable[[], list[str]]]
    ) -> None:
        self._store = store
        self._process = process
        self._notes = notes
        self.stopping = False

    def __call__(self) -> Readiness:
        notes = self._about_l3()
        for others in self._notes:
            notes += others()
        if self.stopping:
            notes.append("Stopping.")
        return Readiness(ready=not self.stopping and self._store.started, notes=notes)

    def _about_l3(self) -> list[str]:
        trouble, state = self._process.trouble, self._store.l3_state
        if state is State.OPENING:
            return ["L3 is being opened."]
        if state is not State.DOWN or trouble is None:
            return []
        notes = [f"L3 is down ({trouble.reason}): {trouble.message}."]
        if (why := self._process.unrecorded) is not None:
            notes.append(
                f"What L3 misses cannot be recorded ({why}): if this process is killed before it "
                "can, L3 may give values that were replaced or deleted meanwhile."
            )
        return notes
