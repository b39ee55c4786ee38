"""A power cut takes what was not fsynced, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.shim import Shim
from tests.running import RunningSidecar

COUNT = 500
VALUE = bytes(3000)


def survivors(scratch: Path, durability: str) -> tuple[list[bool], str]:
    """Which of COUNT values a power cut leaves, in the order in which they were put, and what the
    sidecar logs after it.
    """
    data_dir, config = scratch / "data", scratch / "config"
    shim = Shim(scratch, data_dir)
    config.mkdir()
    (config / "cache.yaml").write_text(f"durability: {durability}\n")
    flags = ("--config", str(config))
    sidecar = RunningSidecar(data_dir, flags, shim.environment).start()
    for number in range(COUNT):
        assert sidecar.ask("PUT", f"/v1/cache/cut/{number}", VALUE).status in {201, 204}
    sidecar.kill_both()
    shim.cut_power()
    sidecar.start()
    found = [sidecar.ask("GET", f"/v1/cache/cut/{number}").status for number in range(COUNT)]
    assert sidecar.process is not None
    sidecar.process.terminate()
    status, log = sidecar.wait()
    assert status == 0
    return [status == 200 for status in found], log


def test_what_is_fsynced_before_it_is_answered_is_kept(tmp_path: Path) -> None:
    kept, log = survivors(tmp_path, "disk")
    assert kept == [True] * COUNT
    assert "put aside" not in log


@pytest.mark.parametrize("durability", ["process", "memory"])
def test_a_prefix_of_the_rest_is_kept(durability: str, tmp_path: Path) -> None:
    """The fault takes something; and what is left is served."""
    kept, log = survivors(tmp_path, durability)
    count = kept.count(True)
    assert count < COUNT
    assert kept == [True] * count + [False] * (COUNT - count)
    assert "put aside" not in log
