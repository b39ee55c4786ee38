"""The benchmark's own code that needs no clock and no server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench import report
from tests.bench.__main__ import PICTURE
from tests.bench.cases import groups
from tests.bench.load import parse_memcslap, parse_redis_benchmark, parse_wrk
from tests.bench.measuring import (
    AS_MEANT,
    CPU,
    P99,
    Bound,
    Case,
    Figures,
    Pair,
    Plan,
    Result,
    at_least,
    at_most,
    at_most_times,
    measure,
    servers,
)
from tests.bench.picture import picture
from tests.bench.report import Machine, Report
from tests.bench.servers import ROOT, Aiohttp, Running
from tests.bench.sides import Http
from tests.contracts.pages import code, read, table

CASE = Case("get", "GET <&>", Http(Aiohttp("ours"), "l1"), Http(Aiohttp(), "l1"), (at_least(1.5),))
ROUNDS: tuple[Pair, ...] = (
    ({CPU: 20.0, P99: 0.002}, {CPU: 10.0, P99: 0.001}),
    ({CPU: 9.0, P99: 0.004}, {CPU: 10.0, P99: 0.001}),
    ({CPU: 30.0, P99: 0.003}, {CPU: 10.0, P99: 0.001}),
)


def a_run(*results: Result) -> Report:
    machine = Machine("a processor", 2, 1 << 30, "6.1")
    return Report(
        "c0ffee", False, "2024-06-07", machine, {"wrk": "4.1"}, 7, 2, {"http": [*results]}
    )


# ---- cases


def test_every_case_is_listed_once_and_described() -> None:
    cases = [case for group in groups().values() for case in group]
    assert len({*groups(), *(case.name for case in cases)}) == len(groups()) + len(cases)
    assert len({(case.what, case.peer) for case in cases}) == len(cases)


def test_the_cases_can_be_listed_and_chosen() -> None:
    command = [sys.executable, "-m", "tests.bench", "--list", "put", "memcached"]
    listed = subprocess.check_output(command, cwd=ROOT, text=True)
    assert listed == "http: put\nmemcached: memcached-get memcached-get-256 memcached-set\n"
    command = [sys.executable, "-m", "tests.bench", "nothing"]
    failed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert failed.stderr == "no such case or group: nothing\n"


def test_both_sides_put_the_same_load_on() -> None:
    """Where both are asked over HTTP, apart from the keys that only one of them keeps in L3."""
    for case in (case for group in groups().values() for case in group):
        ours, theirs = case.ours, case.theirs
        if isinstance(ours, Http) and isinstance(theirs, Http):
            assert (ours.size, ours.connections) == (theirs.size, theirs.connections), case.name
            assert ours.values is theirs.values


# ---- bounds and results


@pytest.mark.parametrize(
    ("bound", "value", "holds"),
    [
        (at_least(1.9), 2.0, True),
        (at_least(2.1), 2.0, False),
        (at_most(2.1, CPU), 2.0, True),
        (at_most(1.9, CPU), 2.0, False),
        (at_most_times(0.51), 2.0, True),
        (at_most_times(0.49), 2.0, False),
        (Bound(P99, 0.002, "difference", is_ceiling=True), 0.002, True),
        (Bound(P99, 0.002, "ours", is_ceiling=True), 0.003, False),
    ],
)
def test_a_bound_takes_the_median_of_the_rounds(bound: Bound, value: float, holds: bool) -> None:
    """Ratios and differences within a round, not of medians."""
    assert bound.value(ROUNDS) == pytest.approx(value)
    assert bound.holds(bound.value(ROUNDS)) is holds


def test_a_result_has_the_medians_of_both_sides() -> None:
    result = Result.of(CASE, ROUNDS)
    assert (result.ours[CPU], result.theirs[CPU], result.ratio) == (20.0, 10.0, 2.0)
    assert [verdict.holds for verdict in result.verdicts] == [True]
    assert result.is_valid


def test_a_round_of_other_operations_makes_a_result_invalid() -> None:
    ours: Figures = {CPU: 20.0, AS_MEANT: 0.5}
    result = Result.of(CASE, [(ours, {CPU: 10.0})])
    assert not result.is_valid
    assert any("NOT VALID" in line for line in report.lines(result))


class Noted:
    """A side without a server that notes when it is measured."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.server = NoServer(name)
        self._notes = notes

    def prepare(self, server: Running) -> None:
        self._notes.append(f"{self.server.name} prepared")

    def measure(self, server: Running, seconds: int) -> Figures:
        self._notes.append(self.server.name)
        return {CPU: 1.0}


class NoServer:
    """Is running without a process."""

    def __init__(self, name: str) -> None:
        self.name = name

    def running(self) -> NoServer:
        return self

    def __enter__(self) -> Running:
        return Running(0, os.getpid())

    def __exit__(self, *error: object) -> None:
        pass


def test_the_sides_alternate() -> None:
    """Either is first in turns, in new servers again."""
    notes: list[str] = []
    case = Case("a", "a", Noted("a", notes), Noted("b", notes), (at_least(1),), rounds=3, starts=2)
    with servers() as running:
        result = measure(case, running, Plan())
    assert notes == ["a prepared", "b prepared", "a", "b", "b", "a", "a", "b"] * 2
    assert len(result.rounds) == 6


# ---- what the programs print


def test_the_figures_of_wrk() -> None:
    load = parse_wrk("Running\nfigures 1000 2000000 3 150 900 2500\n")
    assert (load.operations, load.seconds, load.errors) == (1000, 2.0, 3)
    assert (load.p50, load.p99, load.p999) == (0.00015, 0.0009, 0.0025)
    with pytest.raises(RuntimeError, match="lost"):
        parse_wrk("figures 1000 2000000 3 150 900 2500\nlost 2\n")


def test_the_figures_of_redis_benchmark() -> None:
    load = parse_redis_benchmark(
        "  100000 requests completed in 5.07 seconds\n"
        "50.000% <= 0.127 milliseconds (cumulative count 52233)\n"
        "98.438% <= 6.679 milliseconds (cumulative count 98441)\n"
        "99.219% <= 8.175 milliseconds (cumulative count 99220)\n"
        "99.902% <= 12.263 milliseconds (cumulative count 99903)\n"
        "100.000% <= 67.391 milliseconds (cumulative count 100000)\n"
        "\nCumulative distribution of latencies:\n"
        "15.938% <= 0.103 milliseconds (cumulative count 15938)\n"
    )
    assert (load.operations, load.seconds) == (100_000, 5.07)
    assert (load.p50, load.p99, load.p999) == pytest.approx((0.000127, 0.008175, 0.012263))


def test_the_figures_of_memcslap() -> None:
    text = "Time to get          16000 keys by   16 threads:     0.405 seconds.\n"
    load = parse_memcslap(text)
    assert (load.operations, load.seconds, load.p99) == (16000, 0.405, None)


# ---- the JSON and the picture


def test_a_run_is_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    run = a_run(Result.of(CASE, ROUNDS))
    report.save(run, tmp_path / "run.json")
    assert report.load(tmp_path / "run.json") == run


def test_the_picture_shows_each_ratio_with_its_bound() -> None:
    """Also a ratio that is longer than the picture; a case without a peer is left out."""
    long = Result.of(CASE, [({CPU: 100.0}, {CPU: 10.0})])
    alone = Result.of(Case("one", "alone", CASE.ours), [({CPU: 100.0}, {})])
    drawn = ElementTree.fromstring(picture(a_run(Result.of(CASE, ROUNDS), long, alone)))
    texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[2:] == ["GET <&>", "2.00", "GET <&>", "10.00"]
    assert len(drawn.findall("*[@class='mark']")) == 2


# ---- the documentation


def test_the_picture_in_the_documentation_is_that_of_the_reference() -> None:
    assert PICTURE.read_text() == picture(report.load(report.REFERENCE))


def test_the_documentation_names_the_groups_that_the_reference_does_not_have() -> None:
    paragraphs = read("docs/performance.md").split("\n\n")
    said = [each for each in paragraphs if "The reference is older than" in each]
    named = {name for each in said for name in code(each)}
    assert named == groups().keys() - report.load(report.REFERENCE).results.keys()


def test_the_bounds_in_the_documentation_are_those_of_the_cases() -> None:
    cases = [case for group in groups().values() for case in group]
    assert table(read("docs/performance.md"), "case") == [
        [f"`{case.name}`", case.what, f"`{case.peer}`" if case.peer else "", report.wanted(bound)]
        for case in cases
        for bound in case.bounds
    ]
