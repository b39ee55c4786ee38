"""A real pod: the containers of the application and the sidecar, with one loopback interface."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.image.pod import MEMORY_BYTES, TIERS_BYTES, Pod
from tests.running import wait_until

WRITE_EVERYWHERE = """
import pathlib
for folder in ("/", "/etc/cache-sidecar", "/opt/cache-sidecar", "/var/lib"):
    try:
        pathlib.Path(folder, "probe").write_text("")
    except OSError as error:
        print(error.strerror)
"""


@pytest.fixture
def running(pod: Pod) -> Pod:
    """A pod with a ready sidecar, also if the test before has stopped its own."""
    if pod.sidecar is None or not pod.sidecar.state()["Running"]:
        pod.start_ready()
    return pod


def test_it_is_ready_soon_and_takes_little(pod: Pod, report: Callable[[str], None]) -> None:
    """The figures are for the reader: a busy machine must not fail a test."""
    report(f"ready {pod.start_seconds():.2f} s after its start")
    report(f"idle, both processes: {pod.idle_bytes() / 2**20:.1f} MiB")
    assert len(pod.processes()) == 2


def test_the_application_uses_the_cache_over_loopback(running: Pod) -> None:
    """A value that it puts is the value that it gets."""
    assert running.cache("PUT", "cache/app/greeting", "hello")[0] == 201
    status, headers, body = running.cache("GET", "cache/app/greeting")
    assert (status, body) == (200, "hello")
    assert headers["Cache-Status"].endswith("detail=l1")


def test_it_has_no_rights(running: Pod) -> None:
    """User 65532, no capabilities, a read-only root."""
    assert running.sidecar
    lines = running.sidecar.python("print(open('/proc/1/status').read())").splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    assert status["Uid"] == status["Gid"] == ["65532"] * 4
    assert {int(status[name][0], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == ["1"]
    refused = running.sidecar.python(WRITE_EVERYWHERE).splitlines()
    assert refused == ["Read-only file system"] * 4


def test_it_knows_its_memory_limit_and_stays_below(running: Pod) -> None:
    """More is put than L1 and L2 hold: their limits fit, and no process is killed."""
    assert running.sidecar
    assert metric(running, "cache_sidecar_memory_limit_bytes") == MEMORY_BYTES
    fill(running, TIERS_BYTES + TIERS_BYTES // 2)
    assert 0 < metric(running, "cache_sidecar_memory_working_set_bytes") < MEMORY_BYTES
    state = running.sidecar.state()
    assert state["Running"]
    assert not state["OOMKilled"]
    assert metric(running, "cache_sidecar_l3_up") == 1


def test_the_configuration_is_swapped_as_the_kubelet_does_it(running: Pod) -> None:
    """The new document comes into force without a restart."""
    assert running.sidecar
    running.config.publish({"cache.yaml": "tiers: {l1: {max_entries: 7}}"})
    wait_until(lambda: max_entries(running) == 7, "the new document is in force")
    running.config.publish({"cache.yaml": "tiers: {l1: {max_entries: many}}"})
    wait_until(lambda: config(running)["rejected"], "the bad document is refused")
    assert max_entries(running) == 7
    assert running.sidecar.state()["Running"]


def test_what_l3_has_outlives_the_container(running: Pod) -> None:
    """SIGTERM ends it with 0; a new container on the same volume has the value."""
    assert running.sidecar
    running.cache("PUT", "cache/app/kept", "still here")
    assert running.sidecar.stop() == 0
    assert running.application.state()["Running"]
    first = running.sidecar
    assert running.start_ready().id != first.id
    first.remove()
    status, headers, body = running.cache("GET", "cache/app/kept")
    assert (status, body) == (200, "still here")
    assert "detail=" in headers["Cache-Status"]


def test_operators_look_into_it_by_its_own_commands(running: Pod) -> None:
    """As with `kubectl exec`, in a container without a shell."""
    assert running.sidecar
    assert "l3" in running.sidecar.exec("cache-sidecar", "stats")
    assert "memory_cleanup" in running.sidecar.exec("cache-sidecar", "optimizer", "rules")


def test_a_sidecar_that_is_deleted_while_it_starts_ends_at_once(pod: Pod, tmp_path: Path) -> None:
    """The kernel drops signals without a handler for a container's first process, also SIGTERM."""
    (tmp_path / "uvloop.py").write_text("import time\ntime.sleep(60)\n")  # importing takes long
    if pod.sidecar:
        pod.sidecar.remove()
    starting = pod.start(f"--volume={tmp_path}:/slow:ro", "--env=PYTHONPATH=/slow")
    wait_until(lambda: handles_sigterm(starting.state()["Pid"]), "it has a handler")
    assert starting.stop() == 0
    starting.remove()
    pod.sidecar = None


def handles_sigterm(pid: int) -> bool:
    """Whether the sidecar has a handler for SIGTERM; the runtime before it has one too."""
    if b"cache-sidecar" not in Path(f"/proc/{pid}/cmdline").read_bytes():
        return False
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def config(pod: Pod) -> Any:
    return json.loads(pod.cache("GET", "config")[2])


def max_entries(pod: Pod) -> int:
    return int(config(pod)["effective"]["tiers"]["l1"]["max_entries"])


def metric(pod: Pod, name: str) -> float:
    answer = pod.ask("GET", "http://127.0.0.1:7071/metrics")
    assert answer is not None
    return next(
        float(line.split()[1]) for line in answer[2].splitlines() if line.startswith(f"{name} ")
    )


def fill(pod: Pod, count_bytes: int) -> None:
    """Put incompressible values of 1 MiB, from the application."""
    pod.application.python(
        "import os, sys, urllib.request\n"
        "for number in range(int(sys.argv[1]) >> 20):\n"
        "    url = f'http://127.0.0.1:7070/v1/cache/fill/{number}'\n"
        "    put = urllib.request.Request(url, os.urandom(1 << 20), method='PUT')\n"
        "    urllib.request.urlopen(put).close()\n",
        str(count_bytes),
    )
