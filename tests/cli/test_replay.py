"""`replay` and `stats` against a real sidecar."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

from tests.running import RunningSidecar, free_port


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", "sidecar", *arguments]
    return subprocess.run(run, capture_output=True, text=True, check=False)


def test_a_replay_hits_what_fits(sidecar: RunningSidecar, tmp_path: Path) -> None:
    """A trace whose keys all fit has one miss per key, and stores values of the trace's sizes."""
    rng = random.Random(7)
    keys = [rng.randrange(200) for _ in range(2000)]
    trace = tmp_path / "trace.csv"
    trace.write_text("".join(f"{key},{key + 1}\n" for key in keys))
    url = f"http://127.0.0.1:{sidecar.port}"
    done = command("replay", str(trace), "--url", url, "--json")
    found = json.loads(done.stdout)
    assert found["requests"] == 2000
    assert found["hits"] == 2000 - len(set(keys))
    assert found["hits"] == sum(found["tiers"].values())
    assert found["errors"] == 0
    key = keys[0]
    assert len(sidecar.ask("GET", f"/v1/cache/replay/{key}").body) == key + 1
    shown = command("stats", "--url", url)
    assert "lru" in shown.stdout
    assert f"configuration {sidecar.config()['revision'][:12]} from defaults\n" in shown.stdout
    assert json.loads(command("stats", "--url", url, "--json").stdout)["tiers"]["l1"]


def test_nothing_there_is_one_line(tmp_path: Path) -> None:
    """Status 1, one line, and no traceback."""
    trace = tmp_path / "trace.csv"
    trace.write_text("1\n")
    url = f"http://127.0.0.1:{free_port()}"
    for done in (command("stats", "--url", url), command("replay", str(trace), "--url", url)):
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1
        assert "Traceback" not in done.stderr
