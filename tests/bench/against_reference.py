"""This working tree against the commit in `reference.json`, in turns.

    python -m tests.bench.against_reference [COMMIT]

Figures of two machines cannot be compared, so the commit is checked out beside this one, and both
are measured here with this interpreter. Later work is held against that one commit, rather than
each change against the one before, so that small losses do not add up.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.bench import report
from tests.bench.cases import ALL_IN_L3, ROOMY
from tests.bench.load import say
from tests.bench.measuring import Case, Plan, at_least, measure, servers
from tests.bench.processes import folder
from tests.bench.servers import Local, Sidecar
from tests.bench.sides import DEEP, Http

LEAST = 0.97


def main(commit: str | None = None) -> None:
    commit = commit or report.load(report.REFERENCE).commit
    with checked_out(commit) as root, servers() as running:
        say(f"this working tree against {commit}")
        for case in cases(root):
            for line in report.lines(measure(case, running, Plan(seconds=1))):
                say(line)


def cases(root: Path) -> tuple[Case, ...]:
    """Twelve rounds on each of three pairs of new processes."""
    sidecar, in_l3 = Sidecar(cache=ROOMY), Sidecar(cache=ALL_IN_L3)

    def case(name: str, what: str, ours: Http) -> Case:
        before = replace(ours.server, name="reference", interpreter=Local(root=root))
        theirs = replace(ours, server=before)
        return Case(name, what, ours, theirs, (at_least(LEAST),), rounds=12, starts=3)

    return (
        case("l1-hit", "GET, hit in L1", Http(sidecar, "l1")),
        case("l3-hit", "GET, hit in L3", Http(in_l3, "l3", keys=DEEP)),
        case("put", "PUT", Http(sidecar, "written", keys=9_000)),
    )


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A temporary working tree. Raises CalledProcessError for a commit that is not here."""
    with folder() as parent:
        root = parent / "reference"
        report.git("worktree", "add", "--detach", str(root), commit)
        try:
            yield root
        finally:
            report.git("worktree", "remove", "--force", str(root))


if __name__ == "__main__":
    main(*sys.argv[1:2])
