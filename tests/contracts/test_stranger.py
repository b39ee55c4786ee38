"""A policy, an action and a signal from outside: each is one file, and works everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from jsonschema import Draft7Validator
from playwright.sync_api import sync_playwright

from helm import schema
from sidecar.catalogue import CATALOGUE, Catalogue
from sidecar.cli import main
from sidecar.config.document import parse
from sidecar.config.errors import InvalidDocument
from sidecar.optimizer.actions.protocol import Action
from sidecar.policies.spec import PolicySpec
from sidecar.testing.actions import ActionContract
from sidecar.testing.policies import PolicyContract
from tests.console.browsing import Console, launch
from tests.contracts.pages import read
from tests.contracts.stranger import mru
from tests.contracts.stranger.__main__ import EXTENDED
from tests.contracts.stranger.rest import Rest
from tests.contracts.tables import check_actions, check_policies, check_signals
from tests.documents.kubelet import Mount
from tests.helm.charts import SIDECAR
from tests.running import RunningSidecar, wait_until

CACHE = """\
tiers:
  l1: {policy: mru, spared: 2, max_entries: 3}
  l2: {enabled: false}
  l3: {policy: mru, max_entries: 20}
"""
RULES = """\
interval: 1s
rules:
  - name: full_moon
    type: moon
    when: moon.light > 0.5 && mean(moon.light, "2s") > 0.5
    action: rest
    with: {to: 25%}
"""
BASELINES = "baselines: {moon.light: {baseline: 0.25, target: 1.0}}\n"
TEXTS = {"cache.yaml": CACHE, "rules.yaml": RULES, "baselines.yaml": BASELINES}


class TestMru(PolicyContract):
    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls) -> PolicySpec:
        return mru.SPEC


class TestRest(ActionContract):
    @pytest.fixture(scope="class")
    @classmethod
    def action(cls) -> Action:
        return Rest()

    @pytest.fixture(scope="class")
    @classmethod
    def catalogue(cls) -> Catalogue:
        return EXTENDED


@pytest.fixture(scope="module")
def mount(tmp_path_factory: pytest.TempPathFactory) -> Mount:
    mount = Mount(tmp_path_factory.mktemp("stranger") / "config")
    mount.publish(TEXTS)
    return mount


@pytest.fixture(scope="module")
def sidecar(mount: Mount) -> Iterator[RunningSidecar]:
    """The program, started with the extended catalogue."""
    sidecar = RunningSidecar(
        mount.path.parent / "data",
        ("--config", str(mount.path), "--log-format", "json"),
        program="tests.contracts.stranger",
    )
    yield sidecar.start()
    sidecar.stop()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], obj=EXTENDED)


def asked(sidecar: RunningSidecar, path: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(sidecar.ask("GET", path).body)
    return found


def test_the_configuration_takes_them_and_their_options() -> None:
    """Only with the extended catalogue; without it, every use is an error."""
    tier = parse(TEXTS, vocabulary=EXTENDED.vocabulary).cache.tiers.l1
    assert (tier.policy, tier.policy_options) == ("mru", {"spared": 2})
    with pytest.raises(InvalidDocument) as refused:
        parse(TEXTS, vocabulary=CATALOGUE.vocabulary)
    text = str(refused.value)
    for unknown in ("tiers.l1.policy", "tiers.l1.spared", "tiers.l3.policy", "rules[0].action"):
        assert unknown in text
    assert '"moon.light" is not a signal' in text


@pytest.mark.parametrize(
    ("tier", "sentence"),
    [
        ("{policy: mru, spared: 100}", "100 is not between 0 and 100; write for example 1"),
        ("{policy: mru, spared: 1.5}", "1.5 is not a whole number; write for example 100"),
        ("{policy: lru, spared: 1}", "only mru has a spared; write policy: mru too"),
        ("{policy: mru, window: 0.1}", "only w_tinylfu has a window; write policy: w_tinylfu too"),
        ("{policy: mur}", "did you mean mru?"),
    ],
)
def test_their_mistakes_are_answered_like_any_other(tier: str, sentence: str) -> None:
    with pytest.raises(InvalidDocument) as refused:
        parse({"cache.yaml": f"tiers: {{l1: {tier}}}"}, vocabulary=EXTENDED.vocabulary)
    assert sentence in str(refused.value)


def test_check_takes_the_folder(mount: Mount) -> None:
    """It rejects the folder without the extended catalogue."""
    result = run("check", mount.path)
    assert result.exit_code == 0, result.output
    assert "rules: 1, 1 of them run at level balanced" in result.stdout
    assert CliRunner().invoke(main, ["check", str(mount.path)]).exit_code == 1


def test_simulate_takes_the_policy_and_its_option(tmp_path: Path) -> None:
    """A loop of four keys in three entries: LRU never hits, MRU does."""
    trace = tmp_path / "trace.csv"
    trace.write_text("A\nB\nC\nD\n" * 25)
    common = ("simulate", trace, "--entries", "3", "--json")
    found = json.loads(run(*common, "--policy", "mru", "--spared", "2").stdout)
    assert found["hit_ratio"] > 0.4
    assert json.loads(run(*common, "--policy", "lru").stdout)["hits"] == 0
    help_text = run("simulate", "--help").stdout
    assert "mru" in help_text
    assert "--spared" in help_text


@pytest.mark.parametrize(
    ("check", "page", "last", "row"),
    [
        (check_policies, "configuration", "| `lru` |", "| `mru` | the most recent | `spared: 1` |"),
        (check_actions, "optimizer", "| `freeze` |", "| `rest` | moon | `to: 50%` | rests |"),
        (
            check_signals,
            "signals-and-metrics",
            "| `gc.tracked_objects` |",
            "| `moon.light` | ratio | higher | how full it is |",
        ),
    ],
)
def test_the_documentation_misses_them_until_they_are_in_its_tables(
    check: Callable[[str, Catalogue], None], page: str, last: str, row: str
) -> None:
    text = read(f"docs/{page}.md")
    with pytest.raises(AssertionError):
        check(text, EXTENDED)
    lines = text.splitlines()
    [at] = [number for number, line in enumerate(lines) if line.startswith(last)]
    check("\n".join([*lines[: at + 1], row, *lines[at + 1 :]]), EXTENDED)


def test_the_chart_refuses_the_option_until_its_schema_is_generated() -> None:
    """`make chart-docs` generates it from the catalogue: with bounds, and only for L1 and L2."""
    text = (SIDECAR / "values.schema.json").read_text()

    def takes(text: str, cache: str) -> bool:
        known = {"$ref": "#/definitions/cache", "definitions": json.loads(text)["definitions"]}
        valid: bool = Draft7Validator(known).is_valid(yaml.safe_load(cache))
        return valid

    assert not takes(text, CACHE)
    text = schema.updated(text, EXTENDED.vocabulary)
    assert takes(text, CACHE)
    for wrong in ("l1: {spared: 100}", "l1: {spared: 1.5}", "l3: {spared: 2}"):
        assert not takes(text, f"tiers: {{{wrong}}}")


@pytest.fixture(scope="module")
def filled(sidecar: RunningSidecar) -> RunningSidecar:
    """Six entries were put, of which memory has room for three."""
    for number in range(6):
        assert sidecar.ask("PUT", f"/v1/cache/memory/{number}", b"value").status == 201
    return sidecar


def test_memory_evicts_by_the_policy(filled: RunningSidecar) -> None:
    """Of three entries, the two used last are spared: the oldest two never leave."""
    tiers = {n: filled.ask("GET", f"/v1/cache/memory/{n}").tier for n in (4, 5)}
    assert tiers == {4: "l1", 5: "l1"}
    metrics = filled.ops("/metrics").body.decode()
    assert 'evictions_total{policy="mru",tier="l1"}' in metrics


def test_l3_evicts_by_the_score(filled: RunningSidecar) -> None:
    """L3's process imports it. Of 206 keys the second one stays: any sample of five has a key that
    was used later, as only one was used before.
    """
    for number in range(200):
        filled.ask("PUT", f"/v1/cache/disk/{number}", b"value")

    def tiers(namespace: str) -> dict[str, str]:
        listed = asked(filled, f"/v1/keys?namespace={namespace}&limit=1000")["keys"]
        assert isinstance(listed, list)
        return {key["key"]: key["tier"] for key in listed}

    def evicted() -> bool:
        return tiers("memory").get("1") == "l3" and len(tiers("disk")) <= 20

    wait_until(evicted, "the second key outlives the others")


def test_the_rule_fires_and_is_shown(sidecar: RunningSidecar) -> None:
    """Its type, action and signal are in the API and in the metrics."""

    def fired() -> bool:
        return bool(asked(sidecar, "/v1/config")["effective"]) and "0.25" in str(
            asked(sidecar, "/v1/optimizer")["knobs"]
        )

    wait_until(fired, "the pace is turned")
    overview = asked(sidecar, "/v1/optimizer")
    signals = overview["signals"]
    assert isinstance(signals, dict)
    assert signals["moon.light"] == {
        "value": 0.75,
        "unit": "ratio",
        "meaning": "How full the moon is.",
        "better": "higher",
        "baseline": 0.25,
        "target": 1.0,
    }
    metrics = sidecar.ops("/metrics").body.decode()
    assert 'cache_sidecar_signal{signal="moon.light"} 0.75' in metrics
    assert 'rule="full_moon",type="moon"' in metrics
    course = asked(sidecar, "/v1/signals?names=moon.light")["values"]
    assert isinstance(course, dict)
    assert "moon.light" in course


def test_the_commands_show_its_unit(sidecar: RunningSidecar) -> None:
    """A ratio is shown as a percentage if the catalogue has it."""

    def row() -> list[str]:
        result = run("optimizer", "--url", f"http://127.0.0.1:{sidecar.port}")
        assert result.exit_code == 0, result.output
        lines = map(str.split, result.stdout.splitlines())
        [found] = [line for line in lines if line[:1] == ["moon.light"]]
        return found

    wait_until(lambda: row()[1] != "-", "it is measured")
    assert row() == ["moon.light", "75.0%", "25.0%", "100.0%", "higher"]


def test_the_console_shows_them(sidecar: RunningSidecar) -> None:
    """The rule with its condition, and the signal with its meaning and unit."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        console = Console(browser, sidecar)
        try:
            console.open("optimizer")
            console.until(lambda: "full_moon" in console.text("#optimizer-view"), "the rule")
            console.page.get_by_text("All signals and their meaning").click()

            def row() -> list[str]:
                return next(row for row in console.rows("All signals") if row[0] == "moon.light")

            console.until(lambda: row()[1] != "–", "it is measured")  # noqa: RUF001  (the page's dash)
            assert row()[1:] == ["75.0%", "How full the moon is."]
        finally:
            console.close()
            browser.close()


def test_the_policy_can_be_left_and_taken_while_running(
    filled: RunningSidecar, mount: Mount
) -> None:
    """A new document changes the policy; the entries stay."""
    revision = asked(filled, "/v1/config")["revision"]
    mount.publish({**TEXTS, "cache.yaml": CACHE.replace("mru, spared: 2", "lru")})
    wait_until(lambda: asked(filled, "/v1/config")["revision"] != revision, "it is applied")
    assert '"policy":"lru"' in filled.ask("GET", "/v1/stats").body.decode()
    mount.publish(TEXTS)
    wait_until(lambda: asked(filled, "/v1/config")["revision"] == revision, "it is back")
    wait_until(
        lambda: filled.ask("GET", "/v1/cache/memory/0").status == 200, "the oldest entry is read"
    )
