"""kill -9 during writes: answered writes are kept, and deleted entries stay deleted."""

from __future__ import annotations

import http.client
import random
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import StartSidecar
from tests.running import RunningSidecar

CONNECTIONS = 4
KEYS = 60


@dataclass
class Writer:
    """One connection that owns its keys, so that the order of its writes is known.

    `certain` is the last answered value of a key (None: deleted); `possible` are the requested
    values without an answer, which may or may not be there.
    """

    port: int
    number: int
    seed: int
    operations: int
    certain: dict[str, bytes | None] = field(default_factory=dict)
    possible: dict[str, bytes | None] = field(default_factory=dict)
    answered: int = 0

    def run(self, half_way: threading.Barrier) -> None:
        rng = random.Random(self.seed * 100 + self.number)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            for count in range(self.operations):
                if count == self.operations // 2:
                    half_way.wait()
                self._write(connection, rng, count)
        except (OSError, http.client.HTTPException):
            pass  # it has been killed
        finally:
            connection.close()

    def _write(
        self, connection: http.client.HTTPConnection, rng: random.Random, count: int
    ) -> None:
        key = f"{self.number}-{rng.randrange(KEYS)}"
        value = None if rng.random() < 0.3 else b"%d." % count * rng.choice((1, 40, 2000))
        self.possible[key] = value
        path = f"/v1/cache/test/{key}"
        connection.request("DELETE" if value is None else "PUT", path, value)
        response = connection.getresponse()
        response.read()
        assert response.status in (201, 204, 404)
        self.certain[key] = value
        del self.possible[key]
        self.answered += 1


def crash(sidecar: RunningSidecar, seed: int, operations: int) -> list[str]:
    """Write, kill both processes meanwhile, and start again; returns the violations."""
    half_way = threading.Barrier(CONNECTIONS + 1)
    writers = [Writer(sidecar.port, n, seed, operations // CONNECTIONS) for n in range(CONNECTIONS)]
    threads = [threading.Thread(target=writer.run, args=(half_way,)) for writer in writers]
    for thread in threads:
        thread.start()
    half_way.wait()
    sidecar.kill_both()
    for thread in threads:
        thread.join()
    sidecar.start()
    wrong = []
    for writer in writers:
        for key, value in writer.certain.items():
            answer = sidecar.get(key)
            found = answer.body if answer.status == 200 else None
            allowed = [value, writer.possible[key]] if key in writer.possible else [value]
            if found not in allowed:
                wrong.append(f"{key}: {found!r:.40} where {allowed!r:.80} was answered")
    return wrong


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_answered_write_survives_kill_9(start_sidecar: StartSidecar, seed: int) -> None:
    """After the restart every key has the last value that was answered."""
    assert crash(start_sidecar(), seed, operations=4000) == []


def test_deletions_survive_a_chain_of_crashes(start_sidecar: StartSidecar, tmp_path: Path) -> None:
    """Three processes on one folder, each killed: none restores what an earlier one deleted."""
    sidecar = start_sidecar(data_dir=tmp_path / "chain")
    for life in range(3):
        sidecar.put(f"kept{life}", b"value")
        sidecar.put("gone", b"value")
        sidecar.ask("DELETE", "/v1/cache/test/gone")
        sidecar.kill_both()
        sidecar.start()
        assert sidecar.get("gone").status == 404
        assert all(sidecar.get(f"kept{n}").status == 200 for n in range(life + 1))
