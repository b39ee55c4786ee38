"""The objects for Prometheus and Grafana: when they are rendered, and their content."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contracts.pages import shell_lines
from tests.helm.accepted import faults
from tests.helm.charts import (
    OPERATOR,
    ROOT,
    SIDECAR,
    RefusedError,
    helms,
    objects,
    of_kind,
    one,
    render,
)
from tests.helm.shop import make_shop, render_shop, sidecar_of

ONCE = {"workload": False}
"""The values to install the chart alone, for the objects that a cluster needs once."""
SOURCES = sorted((ROOT / "dashboards").glob("*.json"))
README = (SIDECAR / "README.md").read_text()
RULES = [ROOT / "dashboards" / f"cache-sidecar-{name}.yaml" for name in ("records", "alerts")]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chart with the sidecar as a dependency."""
    return make_shop(tmp_path_factory.mktemp("charts") / "shop")


# ---- once per cluster


def test_alone_the_chart_brings_what_a_cluster_needs_once() -> None:
    """Each dashboard as in the repository, and every group of rules; nothing else."""
    found = render(SIDECAR, ONCE, apis=OPERATOR, namespace="monitoring")
    assert faults(found, "1.36") == []
    assert {thing["kind"] for thing in found} == {"ConfigMap", "PrometheusRule"}
    maps = of_kind(found, "ConfigMap")
    assert {key: text for each in maps for key, text in each["data"].items()} == {
        path.name: path.read_text().strip() for path in SOURCES
    }
    assert all(each["metadata"]["labels"]["grafana_dashboard"] == "1" for each in maps)
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    assert one(found, "PrometheusRule")["spec"]["groups"] == groups


def test_a_dashboard_has_one_uid_and_one_name_everywhere() -> None:
    """Otherwise every release and upgrade would add a dashboard to Grafana."""
    for release in ("a", "b"):
        maps = of_kind(render(SIDECAR, ONCE, release=release), "ConfigMap")
        uids = {
            each["metadata"]["name"]: json.loads(text)["uid"]
            for each in maps
            for text in each["data"].values()
        }
        assert uids == {path.stem: path.stem for path in SOURCES}


def test_a_dependency_brings_nothing_that_a_cluster_needs_once(shop: Path) -> None:
    found = render_shop(shop, {}, apis=OPERATOR)
    assert not of_kind(found, "PrometheusRule")
    maps = of_kind(found, "ConfigMap")
    assert [each["metadata"]["name"] for each in maps] == ["demo-cache-sidecar"]


@pytest.mark.parametrize(
    ("value", "kind"), [("prometheusRule", "PrometheusRule"), ("dashboards", "ConfigMap")]
)
def test_once_per_cluster_can_be_stated_either_way(shop: Path, value: str, kind: str) -> None:
    """Whether or not the cluster is known to have the kind."""
    operator = {"config": {"owner": "operator"}}  # so that no other ConfigMap is there
    for apis in ((), OPERATOR):
        assert of_kind(render_shop(shop, {value: {"enabled": True}, **operator}, apis=apis), kind)
        assert not of_kind(render(SIDECAR, ONCE | {value: {"enabled": False}}, apis=apis), kind)


# ---- auto


@pytest.mark.parametrize(
    ("apis", "enabled", "is_there"),
    [((), "auto", False), (OPERATOR, "auto", True), ((), True, True), (OPERATOR, False, False)],
)
def test_auto_asks_the_cluster_and_a_statement_does_not(
    shop: Path, apis: Sequence[str], enabled: object, is_there: bool
) -> None:
    found = render_shop(shop, {"podMonitor": {"enabled": enabled}}, apis=apis)
    assert bool(of_kind(found, "PodMonitor")) == is_there
    found = render(SIDECAR, ONCE | {"prometheusRule": {"enabled": enabled}}, apis=apis)
    assert bool(of_kind(found, "PrometheusRule")) == is_there


def test_a_pod_monitor_has_to_be_asked_for(shop: Path) -> None:
    """Whoever installs an application may have no rights on PodMonitors, and Helm would fail."""
    assert not of_kind(render_shop(shop, {}, apis=OPERATOR), "PodMonitor")


def test_what_auto_leaves_out_is_said_where_it_would_stand(shop: Path) -> None:
    """`helm template` has no cluster and shows no notes, so the output itself has the reason."""
    stated = "cache-sidecar.image.repository=a,cache-sidecar.serviceAccountName=b"
    stated += ",cache-sidecar.podMonitor.enabled=auto"
    for done in helms("template", "demo", str(shop), "--set", stated).values():
        assert "# No PodMonitor was created: podMonitor.enabled is auto" in done.stdout
        assert "PrometheusRule" not in done.stdout, "a dependency does not want it"
    for done in helms("template", "demo", str(SIDECAR), "--set", "workload=false").values():
        assert "# No PrometheusRule was created: prometheusRule.enabled is auto" in done.stdout
        assert "PodMonitor" not in done.stdout, "there are no pods"


def test_what_auto_leaves_out_is_said_in_the_notes() -> None:
    """Without a cluster, only Helm 4 shows notes."""
    install = ("install", "demo", str(SIDECAR), "--dry-run=client", "--set")
    [left_out] = helms(*install, "workload=false", majors=["4"]).values()
    notes = left_out.stdout.split("NOTES:")[1]
    assert "No PrometheusRule was created: prometheusRule.enabled is auto" in notes
    off = "workload=false,prometheusRule.enabled=false"
    [stated] = helms(*install, off, majors=["4"]).values()
    assert "No PrometheusRule" not in stated.stdout.split("NOTES:")[1]


# ---- the PodMonitor


def test_the_pod_monitor_finds_the_pods_and_names_their_workload(shop: Path) -> None:
    """By the label from `cache-sidecar.podLabels`, whose value becomes job and workload."""
    found = render_shop(
        shop,
        {"instance": "checkout", "podMonitor": {"enabled": "auto", "labels": {"team": "a"}}},
        apis=OPERATOR,
    )
    assert faults(found, "1.36") == []
    monitor = one(found, "PodMonitor")
    assert monitor["metadata"]["labels"]["team"] == "a"
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert wanted == {"cache-sidecar/instance": "checkout"}
    labels = one(found, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert wanted.items() <= labels.items()
    assert [port["name"] for port in sidecar_of(found)["ports"]] == ["cache-ops"]
    assert monitor["spec"]["jobLabel"] == "cache-sidecar/instance"
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint == {
        "port": "cache-ops",
        "path": "/metrics",
        "relabelings": [
            {
                "sourceLabels": ["__meta_kubernetes_pod_label_cache_sidecar_instance"],
                "targetLabel": "workload",
            }
        ],
    }


def test_all_that_the_pod_monitor_takes_is_taken(shop: Path) -> None:
    drop = {"action": "drop", "sourceLabels": ["__name__"], "regex": "cache_sidecar_signal"}
    zone = {"targetLabel": "zone", "replacement": "a"}
    values: dict[str, Any] = {"enabled": True, "interval": "30s", "scrapeTimeout": "10s"}
    values |= {"annotations": {"note": "b"}, "relabelings": [zone], "metricRelabelings": [drop]}
    found = render_shop(shop, {"podMonitor": values}, apis=OPERATOR)
    assert faults(found, "1.36") == []
    monitor = one(found, "PodMonitor")
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == ("30s", "10s")
    assert endpoint["relabelings"][1:] == [zone]
    assert endpoint["metricRelabelings"] == [drop]
    assert monitor["metadata"]["annotations"] == {"note": "b"}


# ---- what cannot be


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"networkPolicy": {"enabled": True}}, "there are no pods to protect: set it to false"),
        ({"podMonitor": {"enabled": True}}, "there are no pods to scrape: set it to auto or false"),
    ],
)
def test_without_a_workload_nothing_is_made_for_its_pods(
    values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RefusedError, match=sentence):
        render(SIDECAR, ONCE | values)


# ---- the package


@pytest.mark.parametrize("major", ["3", "4"])
def test_a_package_renders_what_the_folder_does(major: str, tmp_path: Path) -> None:
    """The dashboards are a symbolic link in the folder, and files in the package."""
    [done] = helms("package", str(SIDECAR), "--destination", str(tmp_path), majors=[major]).values()
    assert done.returncode == 0, done.stderr
    [package] = tmp_path.glob("*.tgz")
    assert render(package, ONCE, apis=OPERATOR) == render(SIDECAR, ONCE, apis=OPERATOR)


# ---- what the chart's README shows


def test_the_command_for_a_cluster_brings_dashboards_and_rules() -> None:
    commands = [shlex.split(line) for line in shell_lines(README)]
    [command] = [command for command in commands if command[:2] == ["helm", "install"]]
    assert command[2:4] == ["cache-sidecar", "helm/cache-sidecar"]
    flags = [*command[4:], *(f"--api-versions={api}" for api in OPERATOR)]
    for done in helms("template", command[2], str(SIDECAR), *flags).values():
        found = objects(done.stdout)
        assert {thing["kind"] for thing in found} == {"ConfigMap", "PrometheusRule"}
        assert {thing["metadata"]["namespace"] for thing in found} == {"monitoring"}


def test_the_notes_of_another_chart_can_say_what_was_left_out(tmp_path: Path) -> None:
    """With the documented line; Helm does not print the notes of dependencies."""
    [line] = re.findall(r"`({{ include \"cache-sidecar.leftOut\" .*? }})`", README)
    chart = make_shop(tmp_path / "shop")
    (chart / "templates" / "NOTES.txt").write_text(line)
    stated = "cache-sidecar.image.repository=a,cache-sidecar.serviceAccountName=b"
    stated += ",cache-sidecar.podMonitor.enabled=auto"
    install = ("install", "shop", str(chart), "--dry-run=client", "--set", stated)
    [done] = helms(*install, majors=["4"]).values()
    assert "No PodMonitor" in done.stdout.split("NOTES:")[1]
