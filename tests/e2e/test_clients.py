"""Clients of Redis work with the sidecar, unchanged, as their users use them.

Each script in `clients/` asserts what it is told. It is one of a user: it gets a URL, and knows
nothing of the sidecar.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.clients.installed import HERE, installed
from tests.resp.servers import Wire
from tests.running import RunningSidecar, free_port, wait_until

NO_SCRIPTS = {"installed.py"}
SCRIPTS = sorted(
    path.name
    for kind in ("*.py", "*.mjs", "*.sh")
    for path in HERE.glob(kind)
    if path.name not in NO_SCRIPTS
)


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSidecar]:
    running = RunningSidecar(tmp_path_factory.mktemp("data")).start()
    try:
        yield running
    finally:
        running.stop()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_client_works(name: str, sidecar: RunningSidecar, tmp_path: Path) -> None:
    """Its script ends without an error."""
    clients = installed()
    with Wire(sidecar.resp_port) as wire:
        assert wire.ask([b"FLUSHALL"]) == b"+OK\r\n"
    script = Path(shutil.copy(HERE / name, tmp_path))
    (tmp_path / "node_modules").symlink_to(clients / "node_modules")
    program = {".py": f"{clients}/bin/python", ".mjs": f"{clients}/bin/node", ".sh": "sh"}
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
        "REDIS_URL": f"redis://127.0.0.1:{sidecar.resp_port}/0",
        "CACHE_SIDECAR_URL": f"http://127.0.0.1:{sidecar.port}",
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        [program[script.suffix], script.name],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_exporter_of_prometheus_works(sidecar: RunningSidecar) -> None:
    """It is up, and knows the keys of each database."""
    with Wire(sidecar.resp_port) as wire:
        wire.ask([b"FLUSHALL"], [b"SELECT", b"2"], [b"MSET", b"a", b"1", b"b", b"2"])
    port = free_port()
    command = ["prometheus-redis-exporter", "-redis.addr", f"127.0.0.1:{sidecar.resp_port}"]
    with subprocess.Popen([*command, "-web.listen-address", f"127.0.0.1:{port}"]) as exporter:
        try:
            wait_until(lambda: _scraped(port), "the exporter answers")
            samples = _scraped(port)
        finally:
            exporter.terminate()
    assert "redis_up 1" in samples
    assert "redis_exporter_last_scrape_error" in "\n".join(samples)
    assert 'redis_db_keys{db="db2"} 2' in samples


def _scraped(port: int) -> list[str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return str(answer.read().decode()).splitlines()
    except OSError:
        return []
