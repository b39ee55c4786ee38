"""No input ends the sidecar, in containers of 96 MiB and more; `python -m tests.amplification`
runs the cases in full.
"""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.amplification.attacks import MIB
from tests.amplification.cases import (
    REFUSED,
    SERVED,
    START_SECONDS,
    Case,
    cases,
    contained,
    run,
)
from tests.e2e.container import Container
from tests.running import anonymous_bytes, wait_until

SCALE = 0.1
SMALLEST, CHART_DEFAULT = 96, 321


@pytest.fixture(autouse=True)
def real_groups(tmp_path: Path) -> None:
    probe = Container(f"cache-sidecar-probe-{time.monotonic_ns()}", tmp_path / "probe", 64 * MIB)
    is_real = probe.is_real
    probe.close()
    if not is_real:
        pytest.skip("no control group can be created here, so that nothing would be killed")


RUNS = [
    pytest.param(case, limit, id=f"{case.name}, {limit}")
    for case in cases(SCALE)
    for limit in (SMALLEST, CHART_DEFAULT)
    if limit == SMALLEST or not case.speaks_resp
]


@pytest.mark.parametrize(("case", "limit"), RUNS)
def test_no_input_ends_the_sidecar(tmp_path: Path, case: Case, limit: int) -> None:
    """Both processes live on, probes are answered, and every request: what fits is served."""
    result = run(case, limit, tmp_path)
    assert result.kills == 0
    assert result.is_alive
    assert result.child_lives_on
    assert result.failed_probes == 0
    assert set(result.statuses) <= SERVED | REFUSED
    if limit in case.fits:
        assert set(result.statuses) & SERVED


def test_in_64_mebibytes_it_serves_without_l3(tmp_path: Path) -> None:
    """It says so, and what the largest value is."""
    with contained(tmp_path, 64, "--log-format", "json") as (sidecar, container):
        wait_until(lambda: sidecar.ready, "the sidecar is ready", START_SECONDS)
        assert sidecar.child is None
        assert MIB <= sidecar.stats()["max_value_bytes"] < 8 * MIB
        for number in range(300):
            assert sidecar.put(f"key{number}", bytes(100_000)).status == 201
        assert sidecar.get("key299").status == 200
        assert sidecar.put("large", bytes(8 * MIB)).status == 413
        assert container.kills == 0
        sidecar.signal(signal.SIGTERM)
        _, output = sidecar.wait()
    [line] = [line for line in output.splitlines() if "Running with little memory" in line]
    assert json.loads(line)["without"] == "L3"


def test_in_too_little_memory_it_does_not_start(tmp_path: Path) -> None:
    """One line says how much it needs."""
    with contained(tmp_path, 50) as (sidecar, _):
        assert sidecar.process is not None
        wait_until(
            lambda: sidecar.process and sidecar.process.poll(), "it has ended", START_SECONDS
        )
        status, output = sidecar.wait()
    assert status == 1
    assert "the container's memory limit is 50MiB, and the sidecar needs" in output


def test_a_limit_that_changes_is_followed(tmp_path: Path) -> None:
    """The tiers and the largest value shrink with a container that is resized, and grow again."""
    with contained(tmp_path, CHART_DEFAULT) as (sidecar, container):
        wait_until(lambda: sidecar.ready, "the sidecar is ready", START_SECONDS)
        before = sidecar.stats()
        assert (before["tiers"]["l2"]["max_bytes"], before["max_value_bytes"]) == (
            100 * MIB,
            8 * MIB,
        )
        container.resize(128 * MIB)
        wait_until(lambda: sidecar.stats()["max_value_bytes"] < 8 * MIB, "values are limited")
        assert sidecar.stats()["tiers"]["l2"]["max_bytes"] < 20 * MIB
        container.resize(CHART_DEFAULT * MIB)
        wait_until(lambda: sidecar.stats()["max_value_bytes"] == 8 * MIB, "and are not any more")
        assert sidecar.stats()["tiers"] == before["tiers"]
        assert container.kills == 0


def test_an_idle_sidecar_fits_what_is_planned_for_it(tmp_path: Path) -> None:
    """Both processes, with what the kernel keeps for them."""
    with contained(tmp_path, SMALLEST) as (sidecar, _):
        wait_until(lambda: sidecar.ready, "the sidecar is ready", START_SECONDS)
        assert sidecar.child is not None
        assert anonymous_bytes(sidecar.pid) + anonymous_bytes(sidecar.child) <= 58 * MIB
