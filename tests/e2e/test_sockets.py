"""The sockets that applications, probes and Prometheus connect to: their modes and addresses."""

from __future__ import annotations

import http.client
import os
import socket
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import StartSidecar
from tests.hostile.volume import WITHOUT_OVERRIDE
from tests.running import PATIENCE_SECONDS, RunningSidecar, free_port

GROUP = 4711


@pytest.mark.parametrize(("flags", "mode"), [((), 0o660), (("--data-socket-mode", "666"), 0o666)])
def test_a_socket_has_the_mode_that_was_stated(
    start_sidecar: StartSidecar, tmp_path: Path, flags: tuple[str, ...], mode: int
) -> None:
    """Whatever the umask; its group is that of a folder with the setgid bit, as in a pod."""
    folder = tmp_path / "shared"
    folder.mkdir()
    os.chown(folder, -1, GROUP)
    folder.chmod(0o2777)
    start_sidecar("--data-socket", str(folder / "socket"), *flags)
    found = (folder / "socket").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (mode, GROUP)


def test_a_socket_that_nobody_may_read_is_taken_over(tmp_path: Path) -> None:
    """To connect, writing is enough; after kill -9 the file is still there."""
    path = tmp_path / "socket"
    flags = ("--data-socket", str(path), "--data-socket-mode", "0222")
    wrapper = WITHOUT_OVERRIDE if os.geteuid() == 0 else ()
    sidecar = RunningSidecar(tmp_path / "data", flags, wrapper=wrapper).start()
    sidecar.kill_both()
    assert path.is_socket()
    sidecar.start()
    assert sidecar.stop() == 0


def test_a_path_that_is_too_long_for_a_socket_is_one_line(tmp_path: Path) -> None:
    """The error has no number in Python, and so no reason of the system."""
    flags = ("--data-socket", str(tmp_path / ("s" * 120)))
    sidecar = RunningSidecar(tmp_path / "data", flags)
    sidecar.launch()
    status, output = sidecar.wait()
    assert status == 1
    assert output.splitlines()[-1].endswith("takes 107 bytes; choose a shorter one")


@pytest.mark.parametrize("mode", ["rw-rw----", "0999", "17777", ""])
def test_a_mode_that_is_none_is_one_line(tmp_path: Path, mode: str) -> None:
    sidecar = RunningSidecar(tmp_path / "data", ("--data-socket-mode", mode))
    sidecar.launch()
    status, output = sidecar.wait()
    assert status == 2
    assert "is not a mode in octal; write for example 0660" in output.splitlines()[-1]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_all_addresses_are_those_of_both_versions_of_ip(tmp_path: Path) -> None:
    """A pod has one address or both; which one probes and scrapes use, the cluster decides."""
    port = free_port()
    flags = ("--ops-bind", f"[::]:{port}")
    sidecar = RunningSidecar(tmp_path / "data", flags, ops_port=port).start()
    for host in ("127.0.0.1", "::1"):
        connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
        with closing(connection):
            connection.request("GET", "/livez")
            assert connection.getresponse().status == 200
    sidecar.stop()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_a_rebound_name_is_refused_on_all_addresses_too(tmp_path: Path) -> None:
    """IPv4 on a socket for both versions is loopback as before."""
    port = free_port()
    sidecar = RunningSidecar(tmp_path / "data", ("--data-bind", f"[::]:{port}"), port=port).start()
    for host in ("127.0.0.1", "::1"):
        connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
        with closing(connection):
            connection.request("GET", "/v1/stats", headers={"Host": "rebound.example.com"})
            assert connection.getresponse().status == 421
    sidecar.stop()
