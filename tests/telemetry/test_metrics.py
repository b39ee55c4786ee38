"""/metrics of a running sidecar, as Prometheus reads it.

More than 300 lines in one file, since most tests read the scrape of one sidecar that has done all.
"""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_classic

from sidecar.catalogue import CATALOGUE
from sidecar.config.knobs import Effective
from sidecar.config.values import BaselineConfig
from sidecar.resp.commands import ALL
from sidecar.telemetry.metrics import OTHER, OTHERS, TIMED, render
from sidecar.telemetry.optimizer import OptimizerCollector
from sidecar.telemetry.signals import SignalCollector
from tests.optimizer.controlled import Controlled
from tests.optimizer.virtual import SIGNAL, a_document, a_rule
from tests.resp.servers import encoded
from tests.running import RunningSidecar, wait_until

PREFIX = "cache_sidecar_"
MOST_SERIES = 600
CLASSIC = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"

PROMISED = {
    "signal": {"signal"},
    "baseline": {"signal"},
    "target": {"signal"},
    "baseline_distance_ratio": {"signal"},
    "target_distance_ratio": {"signal"},
    "hit_ratio": set(),
    "tier_hit_ratio": {"tier"},
    "event_loop_lag_seconds": set(),
    "memory_limit_bytes": set(),
    "memory_working_set_bytes": set(),
    "optimizer_ticks_total": set(),
    "optimizer_outcomes_total": {"rule", "type", "outcome"},
    "optimizer_trial_before": {"rule"},
    "optimizer_trial_after": {"rule"},
    "optimizer_trial_timestamp_seconds": {"rule"},
    "optimizer_effect_ratio": {"rule"},
    "optimizer_rule_state": {"rule", "state"},
    "optimizer_level": {"level"},
    "config_last_reload_successful": set(),
    "config_last_reload_success_timestamp_seconds": set(),
    "config_reloads_total": {"source", "result"},
    "config_info": {"revision", "source"},
    "config_source_last_contact_timestamp_seconds": set(),
}
"""The interface for dashboards and alerts: names that begin with cache_sidecar_, and labels."""


def families(sidecar: RunningSidecar, accept: str) -> dict[str, Metric]:
    """One scrape, parsed like Prometheus does, by name without the prefix."""
    url = f"http://127.0.0.1:{sidecar.ops_port}/metrics"
    with urlopen(Request(url, headers={"Accept": accept})) as answer:
        text = answer.read().decode()
    return by_name(text, accept)


def by_name(text: str, accept: str) -> dict[str, Metric]:
    read = read_openmetrics if accept == OPENMETRICS else read_classic
    found = {}
    for family in read(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        assert name.startswith(PREFIX), name
        found[name.removeprefix(PREFIX)] = family
    return found


def of(controlled: Controlled, accept: str) -> dict[str, Metric]:
    """A scrape of an optimizer alone."""
    registry = CollectorRegistry()
    registry.register(SignalCollector(controlled.control))
    registry.register(OptimizerCollector(controlled.control))
    return by_name(render(registry, accept)[1].decode(), accept)


def samples(family: Metric) -> dict[tuple[str, ...], float]:
    """The values, by those of the labels in the order of their names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSidecar]:
    """A sidecar with the default rules, all of which run, after the use of every operation."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "rules.yaml").write_text("level: maximum\ninterval: 1s\n")
    data_dir = tmp_path_factory.mktemp("data")
    sidecar = RunningSidecar(data_dir, ("--config", str(folder))).start()
    use(sidecar)
    yield sidecar
    sidecar.stop()


def use(sidecar: RunningSidecar) -> None:
    """Use every operation, with and without errors; hits in every tier, and enough for a ratio."""
    described = json.loads(sidecar.ask("GET", "/openapi.json").body)
    for path, operations in described["paths"].items():
        for method in operations.keys() & {"get", "post"}:
            sidecar.ask(method.upper(), path, b"{}" if method == "post" else None)
    keys = [str(number) for number in range(30)]
    for body in (
        {"namespace": "test", "entries": [{"key": key, "value": "v"} for key in keys]},
        {"namespace": "test", "keys": keys},
    ):
        for path in ("/v1/mset", "/v1/mget", "/v1/mdelete", "/v1/invalidate"):
            sidecar.ask("POST", path, json.dumps(body).encode())
    scope = {"namespace": "test", "prefix": "none"}
    sidecar.ask("POST", "/v1/invalidate", json.dumps(scope).encode())
    sidecar.ask("GET", "/v1/keys?namespace=test")
    sidecar.ask("GET", "/nothing")
    for method in ("PUT", "GET", "DELETE", "GET"):
        sidecar.ask(method, "/v1/cache/test/key", b"v" if method == "PUT" else None)
        sidecar.ask(method, "/v1/cache/te!st/key", b"v" if method == "PUT" else None)
    for path in ("/livez", "/readyz", "/metrics", "/nothing"):
        sidecar.ops(path)
    use_resp(sidecar)


def use_resp(sidecar: RunningSidecar) -> None:
    """Every command, with too few arguments and with some that may be right, of both kinds."""
    for name in (*ALL, "nothing"):
        sent = (encoded([name.encode(), *(b"a", b"1", b"2", b"3")[:count]]) for count in range(5))
        with socket.create_connection(("127.0.0.1", sidecar.resp_port)) as connection:
            connection.sendall(b"".join(sent))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass


@pytest.mark.parametrize("accept", [CLASSIC, OPENMETRICS])
def test_prometheus_reads_every_promised_metric(used: RunningSidecar, accept: str) -> None:
    """In both formats; each has a help text, and samples have the documented labels."""
    found = families(used, accept)
    assert found.keys() >= PROMISED.keys()
    for name, family in found.items():
        assert family.documentation.endswith("."), name
        assert family.type == ("counter" if name.endswith("_total") else family.type)
        for sample in family.samples:
            assert sample.labels.keys() == PROMISED.get(name, sample.labels.keys())


def test_the_series_are_few(used: RunningSidecar) -> None:
    """The maximum: every operation used, every signal available, every rule tried."""
    found = families(used, CLASSIC)
    count = sum(len(family.samples) for family in found.values())
    rules = len(found["optimizer_rule_state"].samples)
    assert rules >= 10
    count += len(CATALOGUE.signals) - len(found["signal"].samples)
    count += 4 * rules - len(found["optimizer_trial_before"].samples) * 4
    assert count <= MOST_SERIES, count


def test_commands_of_the_redis_protocol_are_operations(used: RunningSidecar) -> None:
    """Those on values by name, the others together; the usual ones with a histogram."""
    found = families(used, CLASSIC)
    by_name = {
        sample.labels["operation"]
        for sample in found["requests_total"].samples
        if sample.labels["protocol"] == "resp"
    }
    assert ALL.keys() >= OTHERS
    assert by_name == {*ALL, OTHER, "unknown"} - OTHERS
    timed = {
        sample.labels["operation"]
        for sample in found["request_duration_seconds"].samples
        if sample.labels["protocol"] == "resp"
    }
    assert timed == TIMED["resp"] <= by_name


def test_what_happened_last_is_there_at_a_first_look(used: RunningSidecar) -> None:
    """The hit ratios after lookups, the lag, and the time of the configuration."""

    def looks() -> dict[str, Metric]:
        used.put("hot", b"v")
        for _ in range(20):
            used.get("hot")
        used.get("cold")
        return families(used, CLASSIC)

    wait_until(lambda: looks()["hit_ratio"].samples, "there is a hit ratio")
    found = families(used, CLASSIC)
    [ratio] = found["hit_ratio"].samples
    assert 0 < ratio.value < 1
    assert samples(found["tier_hit_ratio"])[("l1",)] > 0
    [lag] = found["event_loop_lag_seconds"].samples
    assert 0 <= lag.value < 60
    [contact] = found["config_source_last_contact_timestamp_seconds"].samples
    [applied] = found["config_last_reload_success_timestamp_seconds"].samples
    assert applied.value <= contact.value


def test_a_source_is_heard_although_it_says_nothing_new(used: RunningSidecar) -> None:
    """The time of the last contact advances, so that an alert can fire if it stops."""
    name = f"{PREFIX}config_source_last_contact_timestamp_seconds"
    first = used.metrics()[name]
    wait_until(lambda: used.metrics()[name] > first, "the folder has been read again")


def test_without_a_source_there_is_no_contact(sidecar: RunningSidecar) -> None:
    """The defaults are in force, without a source."""
    found = families(sidecar, CLASSIC)
    assert found["config_source_last_contact_timestamp_seconds"].samples == []


def test_the_containers_memory_has_names_of_its_own(tmp_path: Path) -> None:
    """The values are those of the signals; without a control group there are no samples."""
    readings = {"memory.limit_bytes": 1000.0, "memory.working_set_bytes": 910.0}
    controlled = Controlled(a_document(), lambda *_: readings, tmp_path)
    controlled.run(2)
    found = of(controlled, CLASSIC)
    assert samples(found["memory_limit_bytes"]) == {(): 1000.0}
    assert samples(found["memory_working_set_bytes"]) == {(): 910.0}
    assert samples(found["signal"])[("memory.working_set_bytes",)] == 910.0
    assert (
        of(Controlled(a_document(), lambda *_: {}, tmp_path), CLASSIC)["memory_limit_bytes"].samples
        == []
    )


@pytest.mark.parametrize("accept", [CLASSIC, OPENMETRICS])
def test_a_trial_is_shown_from_its_change_to_what_came_of_it(tmp_path: Path, accept: str) -> None:
    """State, before, after, effect and outcome; a counter starts at 0, so the first one is visible.

    Relative to zero the effect is infinite, which Prometheus supports.
    """

    def readings(_now: float, effective: Effective) -> Mapping[str, float]:
        return {SIGNAL: 5.0 * (effective.cache.promote_after - 2)}

    document = a_document(a_rule(), a_rule("measure", expect=None, when=f"{SIGNAL} > 1e9"))
    controlled = Controlled(document, readings, tmp_path)
    controlled.run(30)
    found = of(controlled, accept)
    outcomes = samples(found["optimizer_outcomes_total"])
    assert set(outcomes.values()) == {0.0}
    assert {verdict for verdict, rule, _ in outcomes if rule == "nudging"} == {
        *("improved", "regressed", "neutral", "failed", "interrupted")
    }
    assert {verdict for verdict, rule, _ in outcomes if rule == "measure"} == {
        *("applied", "regressed", "failed", "interrupted")
    }
    assert found["optimizer_trial_before"].samples == []
    for _ in range(1000):
        controlled.run(10)
        if controlled.control.engine.outcomes:
            break
    found = of(controlled, accept)
    assert samples(found["optimizer_outcomes_total"])["improved", "nudging", "cache"] == 1.0
    assert samples(found["optimizer_trial_before"]) == {("nudging",): 0.0}
    assert samples(found["optimizer_trial_after"]) == {("nudging",): 5.0}
    assert samples(found["optimizer_effect_ratio"]) == {("nudging",): math.inf}
    [outcome] = controlled.control.engine.outcomes
    ended = samples(found["optimizer_trial_timestamp_seconds"])[("nudging",)]
    assert ended == outcome.ended_at
    assert samples(found["optimizer_rule_state"]) == {
        ("nudging", "cooling_down"): 1.0,
        ("measure", "inactive"): 1.0,
    }
    assert samples(found["optimizer_level"]) == {("balanced",): 1.0}


def test_the_distance_to_what_a_signal_should_be_is_positive_where_it_is_better(
    tmp_path: Path,
) -> None:
    """As a share of the baseline or target, for either direction; none without either."""
    baselines = (BaselineConfig(signal=SIGNAL, better="lower", baseline=0.2, target=0.05),)
    document = replace(a_document(), baselines=baselines)
    controlled = Controlled(document, lambda *_: {SIGNAL: 0.1}, tmp_path)
    controlled.run(10)
    found = of(controlled, CLASSIC)
    assert samples(found["baseline"]) == {(SIGNAL,): 0.2}
    assert samples(found["target"]) == {(SIGNAL,): 0.05}
    assert samples(found["baseline_distance_ratio"]) == {(SIGNAL,): 0.5}
    assert samples(found["target_distance_ratio"]) == {(SIGNAL,): -1.0}


def test_rules_that_are_gone_leave_no_series(tmp_path: Path) -> None:
    """The history and Prometheus have their outcomes."""
    document = a_document(a_rule(when=f"{SIGNAL} > 0.0", expect=None), dry_run=True)
    controlled = Controlled(document, lambda *_: {SIGNAL: 1.0}, tmp_path)
    controlled.run(10)
    dry_run = ("dry_run", "nudging", "cache")
    assert samples(of(controlled, CLASSIC)["optimizer_outcomes_total"]) == {dry_run: 1.0}
    controlled.control.configure(a_document())
    found = of(controlled, CLASSIC)
    assert found["optimizer_outcomes_total"].samples == []
    assert found["optimizer_rule_state"].samples == []
