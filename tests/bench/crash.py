"""kill -9 amid many writes, many times: `python -m tests.bench.crash ROUNDS OPERATIONS`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench.load import say
from tests.e2e.test_crash import crash
from tests.running import RunningSidecar


def run(rounds: int = 20, operations: int = 50_000) -> None:
    failures = 0
    for seed in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            sidecar = RunningSidecar(Path(folder) / "data").start()
            try:
                wrong = crash(sidecar, seed, operations)
            finally:
                sidecar.stop()
        failures += bool(wrong)
        say(f"seed {seed}: {wrong[:3] or 'every answered write holds'}")
    say(f"{failures} of {rounds} rounds went wrong")


if __name__ == "__main__":
    run(*map(int, sys.argv[1:]))
