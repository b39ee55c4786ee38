"""All queries of panels and all rules, on a real Prometheus that scrapes a real sidecar."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.dashboards.boards import BOARDS, Target, replaced, targets
from tests.dashboards.checks import LOOK_BACK_SECONDS, VARIABLES, complaints, shows
from tests.dashboards.prometheus import ODD, POD, Answer
from tests.dashboards.replaying import Observed, observed
from tests.running import wait_until


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """The state after a completed change and the scrapes that show it."""
    with observed(tmp_path_factory.mktemp("prometheus")) as observing:
        ended = 'sum(increase(cache_sidecar_optimizer_outcomes_total{pod="web-0"}[10m])) > 0.5'
        wait_until(lambda: observing.prometheus.query(ended).series, "it has been scraped", 60.0)
        yield observing


@pytest.mark.parametrize("target", targets(), ids=lambda it: f"{it.board}: {it.panel}")
def test_a_panels_query_is_accepted_and_returns_data(seen: Observed, target: Target) -> None:
    """Series with finite values, each with all labels that its name consists of."""
    assert not complaints(seen.prometheus, target)


@pytest.mark.parametrize("board", BOARDS)
def test_a_variable_finds_its_values(seen: Observed, board: str) -> None:
    """The values are those of the scraped pod."""
    for variable in BOARDS[board]["templating"]["list"][1:]:
        [(selected, label)] = re.findall(r"label_values\((.*), (\w+)\)", variable["query"])
        matched = {"match[]": replaced(selected, VARIABLES)}
        values = seen.prometheus.get(f"label/{label}/values", **matched)
        assert set(values) - {ODD[label]} == {POD[label]}, variable["name"]


BY_PROTOCOL = [target for target in targets() if "{{protocol}}" in target.legend]


@pytest.mark.parametrize("target", BY_PROTOCOL, ids=lambda it: f"{it.panel}: {it.legend}")
def test_a_panel_shows_the_protocols_of_applications(seen: Observed, target: Target) -> None:
    """Each with values of its own; the ops port is none of them."""
    answer = seen.prometheus.query(target.asked(VARIABLES), LOOK_BACK_SECONDS)
    shown = {labels["protocol"] for labels, _ in answer.series}
    assert shown == {"http", "resp"}
    for protocol in shown:
        of_one = [each for each in answer.series if each[0]["protocol"] == protocol]
        assert shows(Answer(of_one)), protocol


def test_most_that_is_shown_of_requests_is_shown_by_protocol() -> None:
    assert {target.panel for target in BY_PROTOCOL} == {
        *("GET latency", "PUT or SET latency", "GET p99 by workload", "Requests by operation"),
        *("Shed requests", "Connections"),
    }


def test_a_tier_that_evicts_is_shown_as_full(seen: Observed) -> None:
    """This holds for either limit: here it is that of entries, with few bytes."""
    expr = next(target.asked(VARIABLES) for target in targets() if target.panel == "Fill")
    fill = {labels["tier"]: value for labels, [value] in seen.prometheus.query(expr).series}
    assert fill.keys() == {"l1", "l2", "l3"}
    assert fill["l1"] > 0.9


def test_trials_are_marked(seen: Observed) -> None:
    """All annotations are valid; each event has one, with its rule and pod."""
    [*_, board] = BOARDS.values()
    marks = [mark for mark in board["annotations"]["list"] if "expr" in mark]
    found: dict[str, Any] = {
        mark["name"]: seen.prometheus.query(replaced(mark["expr"], VARIABLES), 600.0).series
        for mark in marks
    }
    labels = [labels for series in found.values() for labels, _ in series]
    assert {each["rule"] for each in labels} >= {"tidy"}
    for each in labels:
        assert each.keys() >= {"rule", "outcome", "namespace", "pod"}
    assert not found["Dry-run changes"]


def test_the_rules_are_evaluated(seen: Observed) -> None:
    """Each recording rule has samples; no alert has an error, and those that can't fire so soon do
    not.
    """

    def rules() -> list[Any]:
        groups = seen.prometheus.get("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] == "ok" for rule in rules()), "all have been evaluated")
    for rule in rules():
        assert not rule.get("lastError"), rule
        if rule["type"] == "recording":
            assert shows(seen.prometheus.query(rule["name"])), rule["name"]
        else:
            assert rule["state"] != "firing", rule["name"]


def test_prometheus_has_no_complaint_about_its_targets(seen: Observed) -> None:
    """Both are up; the sidecar's scrapes are fast and have few series."""
    active = seen.prometheus.get("targets")["activeTargets"]
    assert [target["lastError"] for target in active] == ["", "", ""]
    [(_, [count])] = seen.prometheus.query('scrape_samples_scraped{pod="web-0"}').series
    assert count <= 600


def test_labels_with_quotes_newlines_and_emoji_go_through(seen: Observed) -> None:
    """Workloads may have any name: rules aggregate by it, and queries find it."""
    record = "namespace_workload_pod:cache_sidecar_hits_per_lookup:ratio_rate5m"
    wait_until(lambda: len(seen.prometheus.query(record).series) == 2, "both are recorded")
    workloads = {labels["workload"] for labels, _ in seen.prometheus.query(record).series}
    assert workloads == {POD["workload"], ODD["workload"]}
    odd = VARIABLES | {"namespace": "odd", "pod": "odd-0"}
    expr = next(target.asked(odd) for target in targets() if target.panel == "Bottom pods")
    [(labels, [ratio])] = seen.prometheus.query(expr).series
    assert labels["workload"] == ODD["workload"]
    assert 0 < ratio < 1


def test_prometheus_keeps_what_the_last_outcome_changed(seen: Observed) -> None:
    """It is an exemplar, since Prometheus asks for OpenMetrics."""
    query = 'cache_sidecar_optimizer_outcomes_total{pod="web-0", rule="tidy"}'
    now = time.time()
    span = {"start": str(now - 300), "end": str(now)}
    [series] = seen.prometheus.get("query_exemplars", query=query, **span)
    assert series["seriesLabels"]["outcome"] == "applied"
    assert [each["labels"] for each in series["exemplars"]] == [{"change": "collect"}]
