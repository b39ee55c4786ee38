"""set_l3_admission, pace_l3_writes and compact_l3."""

from __future__ import annotations

import math

import pytest

from sidecar.config.values import MIB
from sidecar.model.change import OneShot, Turn
from sidecar.testing.situations import situation, standing, without
from tests.optimizer.actions.acting import propose, reason, turned_to

RATE = "network.received_bytes_per_second"
KNOB = "l3.write_bytes_per_second"


def test_admission_is_set_as_stated() -> None:
    """The action declines once the value is in force."""
    assert propose("set_l3_admission", situation(), to="second") == Turn("l3.admission", "second")
    assert reason(propose("set_l3_admission", situation(), to="every")) == (
        "l3.admission is already every."
    )


def test_without_a_limit_writes_are_paced_from_what_comes_now() -> None:
    """The limit is 8 MiB per second minus a quarter."""
    moment = situation(signals={RATE: 8.0 * MIB})
    assert propose("pace_l3_writes", moment) == Turn(KNOB, 6.0 * MIB)


@pytest.mark.parametrize(("measured", "slower"), [(8.0, 3.0), (2.0, 1.5), (None, 3.0)])
def test_with_a_limit_they_are_paced_from_the_lesser(measured: float | None, slower: float) -> None:
    """A limit of 4 MiB has no effect while 2 MiB per second arrive."""
    signals = {} if measured is None else {RATE: measured * MIB}
    moment = situation(standing({KNOB: 4.0 * MIB}), signals=signals)
    assert turned_to(propose("pace_l3_writes", moment)) == slower * MIB


def test_writes_are_never_paced_below_the_floor() -> None:
    """The floor is 1 MiB per second by default."""
    moment = situation(standing({KNOB: 1.2 * MIB}))
    assert turned_to(propose("pace_l3_writes", moment, by="50%")) == MIB
    for signals in ({RATE: 1.0 * MIB}, {RATE: 1000.0}, {RATE: 0.0}):
        assert reason(propose("pace_l3_writes", situation(signals=signals))) == (
            "Writes to L3 are at or below their floor of 1MiB per second."
        )


def test_without_a_limit_and_a_measure_there_is_nothing_to_start_from() -> None:
    """The reason names the signal."""
    assert math.isinf(float(str(situation().knob(KNOB))))
    assert reason(propose("pace_l3_writes", situation())) == (
        "network.received_bytes_per_second is unavailable, and there is no limit yet."
    )


def test_l3_is_compacted_while_it_is_up() -> None:
    """L3 is not compacted while it is opening or down."""
    assert propose("compact_l3", situation()) == OneShot("compact_l3")
    assert reason(propose("compact_l3", situation(l3_state="opening"))) == "L3 is opening."


@pytest.mark.parametrize(
    ("action", "written"),
    [("set_l3_admission", {"to": "second"}), ("pace_l3_writes", {}), ("compact_l3", {})],
)
def test_l3_is_let_be_when_it_is_off(action: str, written: dict[str, str]) -> None:
    """A disabled L3 has no writes to limit."""
    assert reason(propose(action, situation(without("l3")), **written)) == "L3 is disabled."
