"""openapi.json against the running server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.running import RunningSidecar

SEED = "20240607"
CONFIG = Path(__file__).with_name("schemathesis.toml")


def test_schemathesis_finds_nothing(sidecar: RunningSidecar, tmp_path: Path) -> None:
    """Every operation answers valid and invalid requests as documented."""
    url = f"http://127.0.0.1:{sidecar.port}"
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG)),
        *("run", f"{url}/openapi.json"),
        *("--url", url, "--seed", SEED, "--max-examples", "20", "--workers", "1"),
        *("--checks", "all", "--no-color", "--request-timeout", "20"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, f"seed {SEED}\n{done.stdout[-6000:]}\n{done.stderr[-2000:]}"


def test_every_path_that_is_served_is_described(sidecar: RunningSidecar) -> None:
    """The router's list of paths, from a 404, equals that of the document."""
    paths = set(json.loads(sidecar.ask("GET", "/openapi.json").body)["paths"])
    detail = json.loads(sidecar.ask("GET", "/nothing").body)["detail"]
    served = set(detail.partition("There is: ")[2].rstrip(".").split(", "))
    assert paths == served
