"""Starting, stopping, being killed, and restarting."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import StartSidecar
from tests.running import RunningSidecar, free_port, wait_until

STOP_SECONDS = 1.5
"""The time limit to stop, that of a native sidecar."""


def test_sigterm_ends_it_with_status_0_and_no_process_is_left(sidecar: RunningSidecar) -> None:
    """Both processes have ended, and the status is 0."""
    child = sidecar.child
    sidecar.signal(signal.SIGTERM)
    status, _ = sidecar.wait()
    assert status == 0
    assert child is not None
    wait_until(lambda: not _runs(child), "L3's process has ended")


def test_an_idle_connection_does_not_hold_the_stop_up(sidecar: RunningSidecar) -> None:
    """With a kept-alive connection and one in the middle of a head, the status is 0 too."""
    with (
        socket.create_connection(("127.0.0.1", sidecar.port)) as idle,
        socket.create_connection(("127.0.0.1", sidecar.port)) as slow,
    ):
        idle.sendall(b"GET /v1/stats HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(100).startswith(b"HTTP/1.1 200")
        slow.sendall(
            b"PUT /v1/cache/a/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345"
        )
        sidecar.signal(signal.SIGTERM)
        assert sidecar.wait()[0] == 0


def test_a_request_that_waits_for_l3_does_not_hold_the_stop_up(sidecar: RunningSidecar) -> None:
    """L3's process is stopped, and a put waits for it: the stop is in time, without an error."""
    took = []
    for _ in range(5):  # the machine may be busy with other tests
        child = sidecar.child
        assert child is not None
        os.kill(child, signal.SIGSTOP)
        with socket.create_connection(("127.0.0.1", sidecar.port)) as client:
            client.sendall(
                b"PUT /v1/cache/a/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1"
            )
            wait_until(lambda: sidecar.stats()["l3"]["waiting"], "the put waits")
            began = time.monotonic()
            sidecar.signal(signal.SIGTERM)
            status, output = sidecar.wait()
            took.append(time.monotonic() - began)
        assert status == 0
        assert "Traceback" not in output
        if took[-1] <= STOP_SECONDS:
            return
        sidecar.start()
    raise AssertionError(f"it took {took} s")


def test_readyz_fails_from_sigterm_on_while_it_lingers(start_sidecar: StartSidecar) -> None:
    """With --linger it serves requests but is not ready; a second SIGTERM ends the wait."""
    sidecar = start_sidecar("--linger", "300s")
    sidecar.put("key", b"value")
    sidecar.signal(signal.SIGTERM)
    wait_until(lambda: sidecar.ops("/readyz").status == 503, "/readyz fails")
    assert sidecar.get("key").body == b"value"
    assert sidecar.ops("/livez").status == 200
    sidecar.signal(signal.SIGTERM)
    assert sidecar.wait()[0] == 0


def test_a_restart_finds_what_l3_had(sidecar: RunningSidecar) -> None:
    """Values, content types and ETags are the same as before."""
    before = sidecar.ask("PUT", "/v1/cache/test/key", b"value", {"Content-Type": "text/x"})
    assert sidecar.stop() == 0
    sidecar.start()
    answer = sidecar.get("key")
    assert answer.body == b"value"
    assert answer.headers["Content-Type"] == "text/x"
    assert answer.headers["ETag"] == before.headers["ETag"]


def test_a_restart_warms_memory(sidecar: RunningSidecar) -> None:
    """The hottest entries are in L1 and L2 before the first request."""
    for number in range(300):
        sidecar.put(f"key{number}", b"value")
    sidecar.stop()
    sidecar.start()
    wait_until(lambda: sidecar.stats()["tiers"]["l1"]["entries"] == 100, "L1 is warm")
    assert sidecar.stats()["tiers"]["l2"]["entries"] == 200
    assert sidecar.get("key299").tier == "l1"


def test_etags_of_a_new_life_are_new(sidecar: RunningSidecar) -> None:
    """No version before the restart shares its ETag with one after it."""
    tags = {sidecar.put("key", b"1").headers["ETag"] for _ in range(50)}
    sidecar.kill_both()
    sidecar.start()
    tags |= {sidecar.put("key", b"2").headers["ETag"] for _ in range(50)}
    assert len(tags) == 100


def test_l3_killed_comes_back_and_memory_serves_meanwhile(sidecar: RunningSidecar) -> None:
    """Reads from memory never fail, and the entries of L3 are available again."""
    for number in range(2000):
        sidecar.put(f"key{number}", b"%d" % number)
    child = sidecar.child
    assert child is not None
    os.kill(child, signal.SIGKILL)
    assert sidecar.get("key1999").body == b"1999"
    restarted = 'l3_restarts_total{reason="crashed"} 1.0'
    wait_until(lambda: restarted in sidecar.ops("/metrics").body.decode(), "L3 has ended")
    wait_until(lambda: sidecar.stats()["l3"]["state"] == "up", "L3 is back")
    assert sidecar.child != child
    assert sidecar.get("key0").body == b"0"


def test_a_write_waits_for_l3_to_come_back(sidecar: RunningSidecar) -> None:
    """A put right after the death of L3 is answered as durable, by the next child."""
    child = sidecar.child
    assert child is not None
    os.kill(child, signal.SIGKILL)
    answer = sidecar.put("key", b"value")
    assert (answer.status, answer.tier) == (201, "l3")
    sidecar.kill_both()
    sidecar.start()
    assert sidecar.get("key").body == b"value"


def test_a_folder_in_use_is_run_without(
    start_sidecar: StartSidecar, sidecar: RunningSidecar
) -> None:
    """The second sidecar serves from memory, and /readyz says what to do."""
    second = start_sidecar(data_dir=sidecar.data_dir)
    wait_until(lambda: second.stats()["l3"]["state"] == "down", "the second runs without L3")
    answer = second.put("key", b"value")
    assert (answer.status, answer.tier) == (201, "memory")
    assert second.get("key").body == b"value"
    assert b"in use by another process" in second.ops("/readyz").body
    assert sidecar.stats()["l3"]["state"] == "up"


def test_what_was_deleted_without_l3_does_not_come_back(start_sidecar: StartSidecar) -> None:
    """L3 is disabled, an entry is deleted, L3 is enabled: it starts empty."""
    sidecar = start_sidecar()
    sidecar.put("key", b"old")
    config = sidecar.data_dir.parent / "config"
    config.mkdir()
    (config / "cache.yaml").write_text("tiers: {l3: {enabled: false}}\n")
    sidecar.stop()
    sidecar.flags = ("--config", str(config))
    sidecar.start()
    assert sidecar.put("other", b"value").tier == "memory"
    sidecar.ask("DELETE", "/v1/cache/test/key")
    sidecar.stop()
    sidecar.flags = ()
    sidecar.start()
    assert sidecar.get("key").status == 404


def test_a_file_for_a_folder_is_run_without(start_sidecar: StartSidecar, tmp_path: Path) -> None:
    """The data folder is invalid: memory serves, and a note names the folder."""
    (tmp_path / "file").write_text("")
    sidecar = start_sidecar(data_dir=tmp_path / "file")
    assert sidecar.put("key", b"value").tier == "memory"
    assert sidecar.get("key").body == b"value"
    assert b"/file" in sidecar.ops("/readyz").body


def test_a_port_in_use_is_one_line(sidecar: RunningSidecar, tmp_path: Path) -> None:
    """Status 1, one line that names the flag, no traceback, and no process left."""
    second = RunningSidecar(tmp_path / "second", port=sidecar.port, ops_port=free_port())
    second.launch()
    status, output = second.wait()
    assert status == 1
    assert "--data-bind" in output.splitlines()[-1]
    assert "Traceback" not in output


def test_a_socket_in_use_stays_with_who_serves_it(
    start_sidecar: StartSidecar, tmp_path: Path
) -> None:
    """A second sidecar that can't start, due to the socket or its port, ends with one line."""
    path = tmp_path / "socket"
    first = start_sidecar("--data-socket", str(path))
    for port in (0, first.port):
        second = RunningSidecar(tmp_path / "second", ("--data-socket", str(path)), port=port)
        second.launch()
        status, output = second.wait()
        assert status == 1
        assert "another" in output.splitlines()[-1]
        assert "Traceback" not in output
        assert path.is_socket()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /v1/stats HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    first.stop()
    assert not path.exists()


def test_a_socket_that_was_left_is_taken_over(start_sidecar: StartSidecar, tmp_path: Path) -> None:
    """After kill -9 the file still exists; the next sidecar replaces it."""
    sidecar = start_sidecar("--data-socket", str(tmp_path / "socket"))
    sidecar.kill_both()
    assert (tmp_path / "socket").is_socket()
    sidecar.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "socket"))


def test_a_file_in_place_of_the_socket_is_left_alone(tmp_path: Path) -> None:
    """Status 1, one line, and an unchanged file."""
    file = tmp_path / "notes"
    file.write_text("of somebody")
    sidecar = RunningSidecar(tmp_path / "data", ("--data-socket", str(file)))
    sidecar.launch()
    status, output = sidecar.wait()
    assert status == 1
    assert "no socket" in output.splitlines()[-1]
    assert file.read_text() == "of somebody"


def test_a_missing_config_folder_is_one_line(tmp_path: Path) -> None:
    """Status 1, and a line that names the folder."""
    sidecar = RunningSidecar(tmp_path / "data", ("--config", str(tmp_path / "missing")))
    sidecar.launch()
    status, output = sidecar.wait()
    assert status == 1
    assert "missing" in output
    assert "Traceback" not in output


def test_a_bad_flag_is_a_usage_error() -> None:
    """Status 2, and the valid values of the flag."""
    command = [sys.executable, "-m", "sidecar", "serve", "--data-bind", "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "HOST:PORT" in done.stderr or "host:port" in done.stderr


def test_settings_come_from_the_environment_too(start_sidecar: StartSidecar) -> None:
    """CACHE_SIDECAR_LOG_FORMAT=json makes the log JSON."""
    sidecar = start_sidecar(CACHE_SIDECAR_LOG_FORMAT="json")
    sidecar.signal(signal.SIGTERM)
    assert '"event":' in sidecar.wait()[1].replace('"event": ', '"event":')


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
