"""`cache-sidecar` with a catalogue that also has the stranger's policy, action and signal."""

from __future__ import annotations

from dataclasses import replace

from sidecar.catalogue import CATALOGUE
from sidecar.cli import main
from sidecar.model.named import by_name
from sidecar.policies.registry import Policies
from tests.contracts.stranger import moon, mru
from tests.contracts.stranger.rest import Rest

EXTENDED = replace(
    CATALOGUE,
    policies=Policies([*CATALOGUE.policies.values(), mru.SPEC]),
    actions=by_name("actions", [*CATALOGUE.actions.values(), Rest()]),
    signals=by_name("signals", [*CATALOGUE.signals.values(), moon.SIGNAL]),
)

if __name__ == "__main__":
    main(obj=EXTENDED)
