"""`python -m tests.chaos [--seconds N] [--seed N] [FAULT...]`: run, and print the report."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.bench.load import say
from tests.chaos.run import run

parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
parser.add_argument("--seconds", type=float, default=3600.0)
parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
parser.add_argument("faults", nargs="*")
arguments = parser.parse_args()
say(f"seed {arguments.seed}")
with tempfile.TemporaryDirectory() as scratch:
    report = run(Path(scratch), arguments.seconds, arguments.seed, arguments.faults or None)
say(str(report))
sys.exit(bool(report.violations))
