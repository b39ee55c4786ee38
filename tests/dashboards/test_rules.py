"""The rule files, checked with promtool, and the texts of alerts."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.mixin import alerts
from tests.dashboards.boards import ALERTS_FILE, RECORDS_FILE, RUNBOOK, rules

TESTS = Path(__file__).parent / "alerts.test.yaml"
ALERTS = {rule["alert"]: rule for rule in rules(ALERTS_FILE)}
RECORD = re.compile(r"[a-z_]+:cache_sidecar_[a-z_]+:[a-z0-9_]+")
LEVEL = re.compile(r"by \(([^)]*)\)")
every_alert = pytest.mark.parametrize("name", ALERTS)


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_both_files() -> None:
    assert promtool("check", "rules", RECORDS_FILE, ALERTS_FILE).count("SUCCESS") == 2


def test_alerts_fire_when_they_should_and_only_then() -> None:
    """All cases in the file of tests."""
    assert "SUCCESS" in promtool("test", "rules", TESTS)


@every_alert
def test_an_alert_is_tested_for_firing_and_for_not_firing(name: str) -> None:
    groups = yaml.safe_load(TESTS.read_text())["tests"]
    checks = [check for group in groups for check in group["alert_rule_test"]]
    fires = {bool(check["exp_alerts"]) for check in checks if check["alertname"] == name}
    assert fires == {True, False}


@every_alert
def test_an_alert_says_what_how_bad_and_where_to_read_on(name: str) -> None:
    """A duration, a severity, a summary without figures, a description with them, the runbook."""
    rule: dict[str, Any] = ALERTS[name]
    assert re.fullmatch(r"[1-9]\d*[mh]", rule["for"])
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    said = rule["annotations"]
    assert re.fullmatch(r"[A-Z][^{}]*\.", said["summary"])
    assert re.fullmatch(r"\S.*\{\{.*\.", said["description"])
    assert said["runbook_url"] == f"{alerts.RUNBOOK}#{name.lower()}"


TOPICS = ["Meaning", "Diagnosis", "Mitigation"]


def test_the_runbook_has_an_entry_for_each_alert_and_no_other() -> None:
    """Meaning, diagnosis and mitigation, in the order of the alerts."""
    headings = re.findall(r"^## (.*)$", RUNBOOK, re.MULTILINE)
    assert headings == list(ALERTS)
    for entry in RUNBOOK.split("\n## ")[1:]:
        assert re.findall(r"^\*\*(\w+)\.\*\*", entry, re.MULTILINE) == TOPICS


def test_the_links_in_the_runbook_lead_somewhere() -> None:
    for link in re.findall(r"\]\(#([^)]+)\)", RUNBOOK):
        assert link in {name.lower() for name in ALERTS}


@pytest.mark.parametrize("rule", rules(RECORDS_FILE), ids=lambda rule: rule["record"])
def test_a_recording_rule_is_named_after_what_it_is(rule: Any) -> None:
    """level:metric:operations; the level consists of the remaining labels."""
    assert RECORD.fullmatch(rule["record"])
    level = rule["record"].partition(":")[0]
    left = {label.strip() for label in LEVEL.search(rule["expr"])[1].split(",")} - {"le"}  # type: ignore[index]
    assert set(level.split("_")) == left


def test_what_is_recorded_is_used_or_worth_keeping() -> None:
    """Alerts use most of it; the rest are ratios and latencies that are kept for months."""
    used = " ".join(rule["expr"] for path in (RECORDS_FILE, ALERTS_FILE) for rule in rules(path))
    unused = {rule["record"] for rule in rules(RECORDS_FILE) if rule["record"] not in used}
    assert unused == {
        "namespace_workload_pod:cache_sidecar_hits_per_lookup:ratio_rate5m",
        "namespace_workload_tier:cache_sidecar_hits_per_lookup:ratio_rate30m",
        "namespace_workload_protocol_operation:cache_sidecar_request_duration_seconds:histogram_quantile",
    }
