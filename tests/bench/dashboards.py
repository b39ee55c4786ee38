"""`python -m tests.bench.dashboards [MINUTES]`: the dashboards over minutes of real trials.

It runs a sidecar under replay, a Prometheus that scrapes it every second, and experiments with
windows of two seconds, which begin once their noise has been measured. It prints the results of all
queries of panels, annotations and rules; there is no state of an earlier process.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from sidecar.optimizer.decisions import SavedState
from tests.bench.load import say
from tests.dashboards.boards import BOARDS, replaced, targets
from tests.dashboards.checks import VARIABLES, complaints
from tests.dashboards.replaying import Observed, observed

MINUTES = 4.0


def main(minutes: float) -> None:
    with tempfile.TemporaryDirectory() as folder, observed(Path(folder), SavedState()) as seen:
        time.sleep(minutes * 60)
        report(seen)


def report(seen: Observed) -> None:
    """Print the state at the end."""
    ended = Counter((each["rule"], each["outcome"]) for each in seen.outcomes())
    say(f"trials: {', '.join(f'{rule} {what} {n}' for (rule, what), n in sorted(ended.items()))}")
    asked = targets()
    found = [line for target in asked for line in complaints(seen.prometheus, target)]
    say(f"queries of panels: {len(asked)}, with something wrong: {len(found)}")
    for line in found:
        say(f"  {line}")
    for mark in next(iter(BOARDS.values()))["annotations"]["list"]:
        series = seen.prometheus.query(replaced(mark["expr"], VARIABLES), 240.0).series
        marked = sorted({f"{labels['rule']}: {labels['outcome']}" for labels, _ in series})
        say(f"annotation {mark['name']!r}: {', '.join(marked) or 'none'}")
    groups = seen.prometheus.get("rules")["groups"]
    states = Counter((rule["type"], rule["health"]) for group in groups for rule in group["rules"])
    say(f"rules: {', '.join(f'{n} {kind} {health}' for (kind, health), n in states.items())}")
    duration = "max_over_time(scrape_duration_seconds{pod='web-0'}[4m])"
    samples = "max_over_time(scrape_samples_scraped{pod='web-0'}[4m])"
    for name, expr in (("longest scrape, seconds", duration), ("most series", samples)):
        [(_, [value])] = seen.prometheus.query(expr).series
        say(f"{name}: {value:g}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES)
