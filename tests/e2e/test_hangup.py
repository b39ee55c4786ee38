"""SIGHUP asks to read the folder of the configuration, whenever it comes."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

from tests.running import RunningSidecar, wait_until


def test_a_hangup_reloads_the_configuration(tmp_path: Path) -> None:
    """It does not end the process; without a folder it does nothing."""
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "cache.yaml").write_text("promote_after: 3\n")
    for flags in (("--config", str(folder)), ()):
        sidecar = RunningSidecar(tmp_path / "data", flags)
        sidecar.start()
        sidecar.signal(signal.SIGHUP)
        assert sidecar.put("key", b"v").status in {201, 204}
        sidecar.signal(signal.SIGTERM)
        status, output = sidecar.wait()
        assert status == 0
        assert ("Reloading the configuration" in output) == bool(flags)


def test_a_hangup_while_it_starts_is_no_end(tmp_path: Path) -> None:
    """Neither while it is imported nor later; what changes meanwhile is read."""
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "cache.yaml").write_text("promote_after: 3\n")
    sidecar = RunningSidecar(tmp_path / "data", ("--config", str(folder)))
    sidecar.launch()
    wait_until(lambda: _ignores(sidecar.pid, signal.SIGHUP), "the program has begun")
    while not sidecar.ready:
        sidecar.signal(signal.SIGHUP)
        time.sleep(0.01)
    assert sidecar.stop() == 0


def _ignores(pid: int, number: signal.Signals) -> bool:
    """Whether a process ignores a signal, by the mask that Linux shows."""
    status = Path(f"/proc/{pid}/status").read_text()
    [mask] = re.findall(r"^SigIgn:\s+(\w+)$", status, re.MULTILINE)
    return bool(int(mask, 16) >> (number - 1) & 1)
