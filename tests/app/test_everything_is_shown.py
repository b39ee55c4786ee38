"""Every knob and every one-shot change has an effect that a test shows."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from sidecar.app.sidecar import Sidecar
from sidecar.catalogue import CATALOGUE
from tests.app.turning import SHOWN


def test_every_knob_and_every_deed_has_a_test() -> None:
    """The test runs on the running sidecar and has `shows`."""
    for file in Path(__file__).parent.glob("test_*.py"):
        import_module(f"tests.app.{file.stem}")
    assert {*CATALOGUE.knobs, *CATALOGUE.one_shots} == SHOWN


async def test_every_deed_can_be_done(live: Sidecar) -> None:
    """The deeds are those in the model, and no others."""
    assert set(live.actuators.one_shots) == set(CATALOGUE.one_shots)
