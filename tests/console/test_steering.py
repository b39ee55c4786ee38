"""The optimizer and the configuration: changes, their effect, and why rules do not act."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Route

from sidecar.model.outcome import VERDICTS
from tests.console.browsing import Console
from tests.console.conftest import TEXTS, OpenConsole
from tests.documents.kubelet import Mount
from tests.running import RunningSidecar, wait_until

CHANGES = "Changes, newest first"
HTML = "<img src=x onerror=alert(1)>"


@pytest.fixture
def console(open_console: OpenConsole) -> Console:
    return open_console("optimizer")


def asked(sidecar: RunningSidecar, path: str) -> Any:
    return json.loads(sidecar.ask("GET", path).body)


def test_every_outcome_is_on_the_timeline_and_in_the_table(
    console: Console, sidecar: RunningSidecar
) -> None:
    """One of each kind: with before, after and noise, and the reason."""
    count = len(asked(sidecar, "/v1/optimizer/outcomes")["outcomes"])
    console.until(lambda: console.at(".timeline .change").count() == count, "all are there")
    rows = {row[1]: row for row in console.rows(CHANGES)}
    for verdict in VERDICTS:
        row = rows[f"rule_{verdict}"]
        assert verdict.replace("_", " ") in row[2]
        assert "8.5% better" in row[2]
        assert "from 1,000 entries, 100 MiB to 1,100 entries, 100 MiB" in row[3]
        assert row[6] == "cache.l2.hit_ratio went from 0.412 to 0.447."
    assert rows["rule_improved"][4].startswith("41.2% → 44.7%")
    comparison = console.at("tr:has-text('rule_improved') svg[role=img]")
    assert comparison.get_attribute("aria-label") == (
        "cache.l2.hit_ratio before 41.2%, after 44.7%, noise 1.1 points"
    )


def test_the_timeline_leads_to_the_table(console: Console) -> None:
    """By keyboard too."""
    bar = console.page.get_by_role("button", name="rule_regressed")
    bar.focus()
    console.page.keyboard.press("Enter")
    assert "rule_regressed" in console.text("tr.chosen")
    focused = console.page.evaluate("document.activeElement.innerText")
    assert "rule_regressed" in focused


def test_rules_say_why_they_do_not_fire(console: Console, sidecar: RunningSidecar) -> None:
    """The reason, the condition with its values, and the change that the rule would make."""
    promotion, calm = console.at(".rules > li").all()
    assert "Would change promote_after from 2 to 1." in promotion.inner_text()
    assert "Its condition is false." in calm.inner_text()
    calm.locator("summary").click()
    assert "gc.tracked_objects < 0" in calm.inner_text()
    console.until(lambda: "–" not in calm.locator("dd").inner_text(), "the value is there")  # noqa: RUF001  (the page's dash)
    assert "a measure, without an expectation" in calm.inner_text()
    console.until(
        lambda: asked(sidecar, "/v1/optimizer")["rules"][1]["reason"] in calm.inner_text(),
        "the reason is that of the API",
    )


def test_to_look_now_changes_nothing(console: Console, sidecar: RunningSidecar) -> None:
    """The only request other than GET is a dry run."""
    console.page.get_by_role("button", name="Evaluate all rules now").click()
    status = console.at("#optimizer-view [role=status]")
    console.until(lambda: "of 2 rules would fire" in status.inner_text(), "it has looked")
    assert "Dry run" in status.inner_text()
    assert any(url.endswith("/v1/optimizer/run?dry_run=true") for url in console.asked)
    assert asked(sidecar, "/v1/optimizer")["knobs"]["promote_after"]["effective"] == 2


def test_signals_stand_beside_baseline_and_target(console: Console) -> None:
    rows = {row[0]: row[2:] for row in console.rows("Signals with a baseline or a target")}
    assert rows["cache.hit_ratio"] == ["50.0%", "75.0%", "higher"]
    assert rows["http.get_p99_seconds"] == ["10 ms", "2 ms", "lower"]


def test_nothing_is_said_before_it_is_known(console: Console) -> None:
    """While the sidecar has not answered, no document is shown as rejected."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    console.page.route("**/v1/config", hold)
    console.page.evaluate("location.hash = '#configuration'")
    console.until(lambda: held, "the page has asked")
    assert console.at("#configuration-view").is_visible()
    assert not console.at(".alarm").is_visible()
    held[0].continue_()
    console.page.unroute("**/v1/config")
    console.page.wait_for_selector("#main[aria-busy=false]")
    assert not console.at(".alarm").is_visible()


def test_the_configuration_and_the_one_that_was_rejected(
    console: Console, sidecar: RunningSidecar, mount: Mount
) -> None:
    """Both appear when they change; HTML in them is text."""
    console.open("configuration")
    wrong = {**TEXTS, "cache.yaml": f"tiers: {{l1: {{'{HTML}': 1}}}}\n"}
    mount.publish(wrong)
    alarm = console.at(".alarm")
    alarm.wait_for()
    errors = asked(sidecar, "/v1/config")["rejected"]["errors"]
    assert [item.inner_text() for item in alarm.locator("li").all()] == errors
    assert HTML in errors[0]
    console.keep("rejected")
    comment = f"# {HTML}\n"
    mount.publish({**TEXTS, "cache.yaml": comment + TEXTS["cache.yaml"]})
    wait_until(lambda: asked(sidecar, "/v1/config")["rejected"] is None, "it is in force")
    console.until(lambda: not alarm.is_visible(), "the alarm is over")
    files = console.at("#configuration-view pre")
    console.until(lambda: files.first.inner_text().startswith(comment), "the file is there")
    assert asked(sidecar, "/v1/config")["revision"][:12] in console.text("#configuration-view")
    assert console.at("#configuration-view img").count() == 0
    knobs = {row[0]: row[1:3] for row in console.rows("Values in force")}
    assert knobs["tiers.l1.size"] == ["4 entries, 10 MiB"] * 2
