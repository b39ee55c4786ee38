"""`make bench`: measure against peers in one run. `make bench ARGS="redis put"` for some cases.

It starts every peer, measures both sides of a case in turns, pinned alike, and prints their
figures, the ratio and the bounds. It does not pass or fail. `--list` prints the cases by group.

    --short      a second for each round, without 10 million keys: minutes
    --python     another interpreter for the sidecar and aiohttp; cache-sidecar is installed there
    --image      both in the container image, with its interpreter
    --reference  also write tests/bench/reference.json, and the picture for the documentation

More, each with `python -m`:

    tests.bench.against_reference  this commit against the one in reference.json, in turns
    tests.bench.memory           growth of L1 and L2 against the usage that they report
    tests.bench.engine           a tick of the optimizer with a hundred rules
    tests.bench.reconfigure      a thousand documents from an API server under load
    tests.bench.l3_memory        two million keys in L3 in little memory
    tests.bench.image            the container image: its size, and a start
    tests.bench.allocator        glibc's allocator against jemalloc
    tests.bench.space            L3's folder
    tests.bench.crash            kills
    tests.bench.optimizer TRACE  the effect of the optimizer on a trace
    tests.bench.dashboards       the dashboards over minutes of trials
"""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from dataclasses import replace

from tests.bench import report
from tests.bench.cases import Groups, groups
from tests.bench.load import say
from tests.bench.measuring import SHORT, Plan, Result, measure, servers
from tests.bench.picture import picture
from tests.bench.servers import ROOT, Image, Interpreter, Local
from tests.image import building

PICTURE = ROOT / "docs" / "images" / "performance.svg"
LATEST = ROOT / ".artifacts" / "bench"


def main() -> None:
    parser = ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="groups or cases; all if none is named")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--python", metavar="PATH", default=sys.executable)
    parser.add_argument("--image", action="store_true")
    parser.add_argument("--reference", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers end with this process
    if options.reference and options.names:
        parser.error("the reference has all cases")
    plan = SHORT if options.short else Plan()
    interpreter: Interpreter = Local(options.python)
    if options.image:
        interpreter = Image(building.build())
    chosen = choose(groups(interpreter, is_short=options.short), options.names, plan)
    if options.list:
        for group, cases in chosen.items():
            say(f"{group}: {' '.join(case.name for case in cases)}")
        return
    run = report.begin(plan, interpreter)
    if options.reference and run.is_modified:
        parser.error("the working tree has changes, so its commit would not be what is measured")
    keep(replace(run, results=results(chosen, plan)), options.reference)


def choose(all_groups: Groups, names: list[str], plan: Plan) -> Groups:
    """The cases with these names or in these groups. Exits for an unknown name."""
    known = {*all_groups, *(case.name for cases in all_groups.values() for case in cases)}
    if unknown := set(names) - known:
        sys.exit(f"no such case or group: {', '.join(sorted(unknown))}")
    chosen = {}
    for group, cases in all_groups.items():
        some = tuple(
            case
            for case in cases
            if not (plan.is_short and case.long)
            and (not names or group in names or case.name in names)
        )
        if some:
            chosen[group] = some
    return chosen


def results(chosen: Groups, plan: Plan) -> dict[str, list[Result]]:
    """Measure the cases; those of a group share servers."""
    found: dict[str, list[Result]] = {}
    for group, cases in chosen.items():
        say(f"--- {group}")
        found[group] = []
        with servers() as running:
            for case in cases:
                result = measure(case, running, plan)
                found[group].append(result)
                for line in report.lines(result):
                    say(line)
    return found


def keep(run: report.Report, is_reference: bool) -> None:
    """Write the JSON and the picture."""
    files = [(LATEST / "results.json", LATEST / "performance.svg")]
    if is_reference:
        files.append((report.REFERENCE, PICTURE))
    for numbers, drawing in files:
        report.save(run, numbers)
        drawing.parent.mkdir(parents=True, exist_ok=True)
        drawing.write_text(picture(run))
        say(f"{numbers.relative_to(ROOT)}, {drawing.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
