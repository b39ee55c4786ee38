"""Runs all cases in full, in control groups, and prints a table: `python -m tests.amplification`.

The arguments are limits in MiB, 96, 128 and 321 by default, and parts of the names of cases, all by
default. The times are those of this machine.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.amplification.cases import REFUSED, SERVED, cases, run


def main(limits: list[int], names: list[str]) -> int:
    broken = 0
    print("| MiB | case | alive | answers | refused within | /livez within |")  # noqa: T201
    print("|---|---|---|---|---|---|")  # noqa: T201
    for case in cases():
        if names and not any(name in case.name for name in names):
            continue
        for limit in limits:
            with tempfile.TemporaryDirectory() as folder:
                result = run(case, limit, Path(folder))
            is_broken = result.kills or not result.child_lives_on or result.failed_probes
            broken += bool(is_broken)
            answers = ", ".join(f"{n} x {status}" for status, n in sorted(result.statuses.items()))
            alive = "no" if is_broken else "yes"
            served = result.slowest_seconds(SERVED)
            refused = result.slowest_seconds(REFUSED)
            print(  # noqa: T201
                f"| {limit} | {case.name} | {alive} | {answers}, served within {served:.2f} s "
                f"| {refused:.2f} s | {result.slowest_probe_seconds:.2f} s |",
                flush=True,
            )
    return 1 if broken else 0


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:] if each.isdigit()]
    sys.exit(main(numbers or [96, 128, 321], [each for each in sys.argv[1:] if not each.isdigit()]))
