"""The command `simulate`, run as users run it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import perf_counter

import pytest
from click.testing import CliRunner, Result

from sidecar.catalogue import CATALOGUE
from sidecar.cli.simulate import run, simulate
from sidecar.testing.traces import Keyed, letters, replay, zipf


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Five requests: A B A C A."""
    path = tmp_path / "trace.csv"
    path.write_text("A,10\nB,20\nA,10\nC,30\nA,10\n")
    return path


def invoke(*arguments: object) -> Result:
    """The result of the command with these arguments."""
    return CliRunner().invoke(simulate, [str(argument) for argument in arguments])


def test_json_is_one_object(trace: Path) -> None:
    """A B A C A at size 2 under LRU: A is hit twice."""
    result = invoke(trace, "--policy", "lru", "--entries", 2, "--json")
    assert result.exit_code == 0, result.output
    outcome = json.loads(result.stdout)
    assert outcome.pop("requests_per_second") > 0
    assert outcome == {"requests": 5, "hits": 2, "hit_ratio": 0.4}
    assert result.stderr == ""


def test_people_get_a_table(trace: Path) -> None:
    """Policy, size, counts, ratio in percent, and rate."""
    result = invoke(trace, "--policy", "fifo", "--entries", 2)
    assert result.exit_code == 0, result.output
    rows = dict(line.rsplit(maxsplit=1) for line in result.stdout.splitlines())
    assert float(rows.pop("requests per second").replace(",", "")) > 0
    assert rows == {
        "policy": "fifo",
        "entries": "2",
        "requests": "5",
        "hits": "1",
        "hit ratio": "20.00%",
    }


def test_limit_stops_early(trace: Path) -> None:
    """Of A B A only the last is a hit, and errors further down are never reached."""
    with trace.open("a") as file:
        file.write("D,much\n")
    result = invoke(trace, "--policy", "lru", "--entries", 2, "--limit", 3, "--json")
    assert json.loads(result.stdout)["requests"] == 3
    assert json.loads(result.stdout)["hits"] == 1


@pytest.mark.parametrize("policy", sorted(CATALOGUE.policies))
def test_every_policy_can_be_simulated(tmp_path: Path, policy: str) -> None:
    """The counts equal those of a plain replay of the same policy with the same seed."""
    keys = zipf(17, requests=5_000, keys=500)
    path = tmp_path / "trace.csv"
    path.write_bytes(b"\n".join(keys))
    result = invoke(path, "--policy", policy, "--entries", 50, "--seed", 4, "--json")
    expected = replay(Keyed(CATALOGUE.policies.make(policy, 50, rng=Random(4))), keys, entries=50)
    assert json.loads(result.stdout)["hits"] == expected.count("h")


def test_chance_is_that_of_the_seed(tmp_path: Path) -> None:
    """The same seed gives the same hits, and five seeds give different ones."""
    path = tmp_path / "trace.csv"
    path.write_bytes(b"\n".join(zipf(17, requests=5_000, keys=500)))

    def hits(seed: int) -> int:
        options = ("--policy", "random", "--entries", 50, "--seed", seed, "--json")
        return int(json.loads(invoke(path, *options).stdout)["hits"])

    assert hits(1) == hits(1)
    assert len({hits(seed) for seed in range(5)}) > 1


def test_a_window_makes_a_difference_to_w_tinylfu(tmp_path: Path) -> None:
    """With a window of the whole cache, it is LRU."""
    path = tmp_path / "trace.csv"
    path.write_bytes(b"\n".join(zipf(17, requests=5_000, keys=500)))

    def hits(*options: object) -> int:
        return int(json.loads(invoke(path, "--entries", 50, "--json", *options).stdout)["hits"])

    lru = hits("--policy", "lru")
    assert hits("--policy", "w_tinylfu", "--window", 1) == lru
    assert hits("--policy", "w_tinylfu") > lru


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--policy", "lur"], "unknown policy 'lur'; known are fifo, lfu, lru, "),
        (["--policy", "lru", "--window", "0.2"], "--window is an option of w_tinylfu, not of lru"),
    ],
)
def test_a_wrong_choice_is_an_error_in_one_line(trace: Path, options: list[str], why: str) -> None:
    """On stderr, with a non-zero status, and nothing on stdout."""
    result = invoke(trace, "--entries", 2, "--json", *options)
    assert result.exit_code != 0
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Error: {why}")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        ("", "no requests"),
        ("A\nB,x\n", "line 2: expected `key` or `key,size`, got 'B,x'"),
    ],
)
def test_a_bad_trace_is_an_error_in_one_line(tmp_path: Path, content: str | None, why: str) -> None:
    """It names the file and the line, if there is one."""
    path = tmp_path / "trace.csv"
    if content is not None:
        path.write_text(content)
    result = invoke(path, "--policy", "lru", "--entries", 2, "--json")
    assert result.exit_code != 0
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Error: {path}")
    assert line.endswith(why)


@pytest.mark.parametrize(
    "options", [["--entries", "0"], ["--entries", "2", "--window", "1.5"], ["--entries", "two"]]
)
def test_a_value_out_of_range_is_a_usage_error(trace: Path, options: list[str]) -> None:
    """Status 2, as everywhere on the command line, with the name of the option."""
    result = invoke(trace, "--policy", "w_tinylfu", *options)
    assert result.exit_code == 2
    assert f"Invalid value for '{options[-2]}'" in result.stderr


def test_the_rate_leaves_out_how_requests_are_made() -> None:
    """The time to generate requests does not count towards the rate."""
    policy = CATALOGUE.policies.make("lru", 2, rng=Random(1))
    seconds = 0.0

    def slowly() -> Iterator[bytes]:
        nonlocal seconds
        for _ in range(10):
            started = perf_counter()
            sum(range(2_000_000))
            seconds += perf_counter() - started
            yield from letters("A B A C A")

    outcome = run(policy, 2, slowly())
    assert outcome.requests == 50
    assert outcome.requests / outcome.requests_per_second < seconds / 2
