"""The contract of actions, for all actions that are shipped."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.model.change import Size, Value
from sidecar.optimizer.actions.pace_l3_writes import RATE, PaceL3Writes
from sidecar.optimizer.actions.protocol import Action
from sidecar.optimizer.situation import Situation
from sidecar.testing.actions import ActionContract


class TestBuiltIn(ActionContract):
    """Every action of the catalogue."""

    @pytest.fixture(scope="class", params=CATALOGUE.actions)
    @classmethod
    def action(cls, request: pytest.FixtureRequest) -> Action:
        return CATALOGUE.actions[request.param]

    def counted_from(self, action: Action, moment: Situation, knob: str) -> Value:
        """Two actions count from what is used, if that is less than the value of the knob."""
        stands = moment.knob(knob)
        if action.name == "shrink_tier" and isinstance(stands, Size):
            [held] = [state for state in moment.cache.tiers if state.tier in knob.split(".")]
            return Size(
                min(stands.max_entries, held.entries), min(stands.max_bytes, held.used_bytes)
            )
        if action.name == "pace_l3_writes" and isinstance(stands, float):
            measured = moment.signal(RATE)
            return stands if measured is None else min(stands, measured)
        return stands

    def floor(self, moment: Situation, knob: str, options: Any) -> Value:
        """The floor of writes to L3 is a rate, since no configured value exists for a share."""
        if isinstance(options, PaceL3Writes.Options):
            return options.at_least
        return super().floor(moment, knob, options)
