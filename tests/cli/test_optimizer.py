"""`cache-sidecar optimizer` against a real sidecar, and its tables."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console, RenderableType

from sidecar.api.answers import (
    Change,
    Knob,
    Overview,
    Rule,
    Signal,
    Standing,
    Trial,
)
from sidecar.catalogue import CATALOGUE
from sidecar.cli.figures import Readings
from sidecar.cli.report import decisions_made, outcomes_table, overview_parts, rules_table
from sidecar.model.change import Size
from tests.cli.examples import IMPROVED
from tests.running import RunningSidecar, free_port, wait_until

RULES = """\
interval: 1s
dry_run: true
rules:
  - {name: promotion, type: cache, when: "network.connections >= 0.0", action: set_promote_after}
  - {name: calm, type: gc, when: gc.tracked_objects < 0, action: collect}
"""
WHEN = 'mean(cache.hit_ratio, "10m") < target.cache.hit_ratio && cache.l2.fill > 0.95'
RULE = Rule(
    rule="cache_efficiency",
    would_fire=False,
    state="unavailable",
    reason="No value of cache.l2.fill.",
    when=WHEN,
    holds=None,
    values={
        'mean(cache.hit_ratio, "10m")': 0.412,
        "target.cache.hit_ratio": 0.75,
        "cache.l2.fill": None,
    },
    missing=["cache.l2.fill"],
    change=Change(knob="promote_after", from_=2, to=1),
    no_change=None,
    type="cache",
    level="balanced",
    action="set_promote_after",
    with_={},
    for_seconds=0.0,
    cooldown_seconds=300.0,
    expect=None,
    guard=None,
)
SIGNAL = Signal(
    value=0.412, unit="ratio", meaning="Hits.", better="higher", baseline=0.5, target=None
)
OVERVIEW = Overview(
    enabled=True,
    dry_run=False,
    level="balanced",
    interval_seconds=30.0,
    ticks=1234,
    trial=None,
    rules=[Standing(rule="calm", state="cooling_down", reason="For another 5 s.")],
    knobs={
        "promote_after": Knob(meaning="Hits.", configured=2, effective=1),
        "default_ttl": Knob(meaning="Life.", configured=None, effective=None),
    },
    signals={
        "cache.hit_ratio": SIGNAL,
        "cache.l2.fill": replace(SIGNAL, baseline=None),
    },
)


def printed(*parts: RenderableType, width: int = 100) -> str:
    """The output on a terminal of that width, with single spaces and without empty lines."""
    with io.StringIO() as out:
        Console(file=out, width=width).print(*parts, sep="\n")
        text = out.getvalue()
    assert all(len(line.rstrip()) <= width for line in text.splitlines())
    return " ".join(text.split())


@pytest.fixture(scope="module")
def optimizing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSidecar]:
    """A sidecar whose optimizer has rules, outcomes and signals to show."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "rules.yaml").write_text(RULES)
    data_dir = tmp_path_factory.mktemp("data")
    sidecar = RunningSidecar(data_dir, ("--config", str(folder))).start()
    wait_until(lambda: outcomes_of(sidecar), "a rule has fired")
    yield sidecar
    sidecar.stop()


def outcomes_of(sidecar: RunningSidecar) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(sidecar.ask("GET", "/v1/optimizer/outcomes").body)[
        "outcomes"
    ]
    return found


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", "sidecar", "optimizer", *arguments]
    return subprocess.run(run, capture_output=True, text=True, check=False)


def said_by(sidecar: RunningSidecar, *arguments: str) -> str:
    done = command(*arguments, "--url", f"http://127.0.0.1:{sidecar.port}")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_every_command_answers_in_plain_text_where_there_is_no_terminal(
    optimizing: RunningSidecar,
) -> None:
    """Without colours, and with the figures of the API."""
    said = {
        "overview": said_by(optimizing),
        "rules": said_by(optimizing, "rules"),
        "outcomes": said_by(optimizing, "outcomes"),
        "dry run": said_by(optimizing, "run", "--dry-run"),
    }
    assert all("\x1b" not in text for text in said.values())
    assert "in a dry run: it changes nothing, at level balanced" in said["overview"]
    for text in (said["overview"], said["rules"], said["dry run"]):
        assert "promotion" in text
        assert "Its condition is false." in text
    assert "promote_after from 2 to 1" in said["outcomes"]
    assert "dry run" in said["outcomes"]
    assert "No rule fired" in said_by(optimizing, "run")


@pytest.mark.parametrize("path", ["", "/rules", "/outcomes"])
def test_json_is_that_of_the_api(optimizing: RunningSidecar, path: str) -> None:
    """For scripts: the same keys as in the API, and no others."""
    printed = json.loads(said_by(optimizing, *path.strip("/").split(), "--json"))
    assert printed.keys() == json.loads(optimizing.ask("GET", f"/v1/optimizer{path}").body).keys()


def test_a_run_says_what_it_would_do_as_json(optimizing: RunningSidecar) -> None:
    ran = json.loads(said_by(optimizing, "run", "--dry-run", "--json"))
    assert ran["dry_run"] is True
    assert [rule["rule"] for rule in ran["rules"]] == ["promotion", "calm"]


def test_what_is_said_before_the_command_holds_for_it(optimizing: RunningSidecar) -> None:
    """`optimizer --url ... rules` uses that URL too."""
    done = command("--url", f"http://127.0.0.1:{optimizing.port}", "--json", "rules")
    assert "rules" in json.loads(done.stdout)


def test_reset_says_what_holds_then(optimizing: RunningSidecar) -> None:
    assert said_by(optimizing, "reset") == "Every knob has its configured value.\n"
    assert said_by(optimizing, "reset", "--json") == "null\n"


def test_the_newest_are_shown_up_to_the_limit(optimizing: RunningSidecar) -> None:
    """After a reset a rule may act again, so there are several outcomes."""

    def several() -> bool:
        optimizing.ask("POST", "/v1/optimizer/reset")
        return len(outcomes_of(optimizing)) > 1

    wait_until(several, "the rule has fired again")
    shown = json.loads(said_by(optimizing, "outcomes", "--limit", "1", "--json"))["outcomes"]
    assert len(shown) == 1
    assert shown[0]["ended_at"] >= outcomes_of(optimizing)[-1]["ended_at"]


@pytest.mark.parametrize("arguments", [(), ("rules",), ("outcomes",), ("run",), ("reset",)])
def test_nothing_there_is_one_line(arguments: tuple[str, ...]) -> None:
    """Status 1, and no traceback."""
    done = command(*arguments, "--url", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "is a sidecar running there?" in done.stderr


def test_what_is_no_sidecar_is_told_in_one_line(optimizing: RunningSidecar) -> None:
    """The ops API has no optimizer."""
    done = command("--url", f"http://127.0.0.1:{optimizing.ops_port}")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1


# ---- what is shown

READINGS = Readings(CATALOGUE.signals)


@pytest.mark.parametrize("width", [60, 100, 160])
def test_a_rule_is_shown_with_all_it_sees(width: int) -> None:
    """Complete on a narrow terminal too: condition, values with units, and the reason."""
    shown = printed(rules_table([RULE], READINGS), width=width)
    for part in ("41.2%", "75.0%", "no value", "unavailable", "set_promote_after"):
        assert part in shown
    assert "would turn" not in shown


def test_a_rule_that_would_fire_says_what_it_would_do() -> None:
    shown = printed(rules_table([replace(RULE, would_fire=True)], READINGS))
    assert "would fire" in shown
    assert "It would change promote_after from 2 to 1." in shown
    deed = replace(RULE, would_fire=True, change=Change(deed="collect"))
    assert "It would do collect." in printed(rules_table([deed], READINGS))


def test_an_outcome_is_shown_with_its_figures_and_in_full() -> None:
    shown = printed(outcomes_table([IMPROVED], READINGS), width=160)
    assert "tiers.l2.size from 1,000 entries, 100 MiB to 1,100 entries, 100 MiB" in shown
    assert "cache.l2.hit_ratio 41.2% to 44.7%, 8.5% better; noise 1.1 points" in shown
    assert IMPROVED.reason in shown


def test_an_outcome_without_figures_claims_none() -> None:
    """A one-shot has no knob, without a comparison there is no effect, and relative to zero no
    number.
    """
    deed = replace(IMPROVED, knob=None, signal=None, before=None, after=None, outcome="applied")
    shown = printed(outcomes_table([deed], READINGS))
    assert "grow_tier" in shown
    assert "better" not in shown
    worse = replace(IMPROVED, effect_ratio=-0.1, outcome="regressed")
    assert "10.0% worse" in printed(outcomes_table([worse], READINGS), width=160)
    from_zero = replace(IMPROVED, before=0.0, effect_ratio=None)
    shown = printed(outcomes_table([from_zero], READINGS), width=160)
    assert "cache.l2.hit_ratio 0.0% to 44.7%; noise 1.1 points" in shown


def test_the_overview_names_what_is_turned_and_what_should_be() -> None:
    """Knobs with their configured value, and signals without a target, appear only in --json."""
    shown = printed(*overview_parts(OVERVIEW, READINGS))
    assert (
        "on, at level balanced. It evaluates its rules every 30 s, 1,234 times since the start."
        in shown
    )
    assert "No change is on trial." in shown
    assert "calm cooling down For another 5 s." in shown
    assert "promote_after 2 1" in shown
    assert "default_ttl" not in shown
    assert "cache.hit_ratio 41.2% 50.0% - higher" in shown
    assert "cache.l2.fill" not in shown


def test_the_overview_shows_the_trial() -> None:
    trial = Trial(
        rule="promotion",
        change=Change(knob="tiers.l2.size", from_=Size(10, 1024), to=Size(20, 2048)),
        signal="cache.hit_ratio",
        before=0.412,
        noise=0.011,
        started_at=0.0,
        seconds_left=125.4,
    )
    shown = printed(*overview_parts(replace(OVERVIEW, trial=trial, knobs={}, signals={}), READINGS))
    assert (
        "On trial: promotion, tiers.l2.size from 10 entries, 1 KiB to 20 entries, 2 KiB. "
        "cache.hit_ratio was 41.2% before. Noise is 1.1 points. It is judged in 2 min 5 s."
    ) in shown
    assert "Every knob has its configured value." in shown


def test_decisions_are_sentences() -> None:
    """An unknown event is shown with its fields."""
    size = {"max_entries": 10, "max_bytes": 1024}
    decided: list[dict[str, Any]] = [
        {"event": "fired", "rule": "a", "condition": "cache.l2.fill\n  > 0.5"},
        {"event": "changed", "rule": "a", "knob": "tiers.l1.size", "from": size, "to": size},
        {"event": "changed", "rule": "b", "deed": "collect"},
        {"event": "concluded", "rule": "a", "outcome": "neutral", "reason": "No difference."},
        {"event": "rolled_back", "rule": "a", "knob": "default_ttl", "from": 60.0, "to": None},
        {"event": "released", "rule": "c", "knob": "promote_after", "was": 3},
        {"event": "pondered", "rule": "d"},
    ]
    assert [str(line) for line in decisions_made(decided)] == [
        "a: fired, since cache.l2.fill > 0.5",
        "a: changed tiers.l1.size from 10 entries, 1 KiB to 10 entries, 1 KiB",
        "b: did collect",
        "a: neutral. No difference.",
        "a: rolled back default_ttl from 1 min to never",
        "c: released promote_after",
        "d: {'event': 'pondered', 'rule': 'd'}",
    ]
