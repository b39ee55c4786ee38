"""The templates for other charts: the sidecar by default, and with overrides."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.helm.accepted import faults, pods
from tests.helm.charts import (
    SIDECAR,
    VERSIONS,
    Object,
    RefusedError,
    chart_of_ones_own,
    helms,
    of_kind,
    one,
    render,
)
from tests.helm.restricted import violations
from tests.helm.shop import (
    OLD_WORKLOAD,
    STATED,
    WORKLOAD,
    Values,
    flags_of,
    make_shop,
    pod_of,
    render_shop,
    sidecar_of,
    volumes_of,
)


def test_a_native_sidecar_starts_first_and_ends_last(plain: list[Object]) -> None:
    """It is an init container with `restartPolicy: Always`, and does not linger."""
    [container] = pod_of(plain)["initContainers"]
    assert container == sidecar_of(plain)
    assert container["restartPolicy"] == "Always"
    assert container["startupProbe"]["httpGet"] == {"path": "/livez", "port": "cache-ops"}
    assert flags_of(container)["--linger"] == "0s"


def test_on_older_clusters_it_lingers_beside_the_application(tmp_path: Path) -> None:
    """It lingers, since it is not told when the application has ended."""
    found = render_shop(make_shop(tmp_path / "shop", OLD_WORKLOAD), kube="1.28")
    assert sidecar_of(found) in pod_of(found)["containers"]
    assert "restartPolicy" not in sidecar_of(found)
    assert flags_of(sidecar_of(found))["--linger"] == "25s"
    assert faults(found, "1.28") == []


def test_switched_off_it_leaves_the_pod_as_it_was(shop: Path, tmp_path: Path) -> None:
    """No object is rendered, and the templates are empty, for any other values."""
    found = render(shop, {"cache-sidecar": {"enabled": False, "ports": {"data": 7071}}})
    assert [thing["kind"] for thing in found] == ["StatefulSet"]
    bare = "\n".join(line for line in WORKLOAD.splitlines() if "CONTEXT" not in line)
    (tmp_path / "bare").mkdir()
    assert found == render(
        chart_of_ones_own(tmp_path / "bare" / "shop", {"w.yaml": bare}),
        {"cache-sidecar": {"enabled": False}},
    )


def test_an_alias_changes_no_name(plain: list[Object], tmp_path: Path) -> None:
    """The parent's `global` values are accepted."""
    aliased = make_shop(tmp_path / "shop", alias="cache")
    values = {"cache": STATED, "global": {"anything": {"else": [1]}}}
    assert render(aliased, values) == plain


def test_two_sidecars_in_one_release_are_told_apart(tmp_path: Path) -> None:
    """By their instance: there are two dependencies, one of them with an alias."""
    second = WORKLOAD.replace("CONTEXT", '(index .Subcharts "second")').replace("shop", "other")
    first = WORKLOAD.replace("CONTEXT", '(index .Subcharts "first")')
    shop = chart_of_ones_own(
        tmp_path / "shop", {"first.yaml": first, "second.yaml": second}, alias="first"
    )
    metadata = yaml.safe_load((shop / "Chart.yaml").read_text())
    metadata["dependencies"] += [metadata["dependencies"][0] | {"alias": "second"}]
    (shop / "Chart.yaml").write_text(yaml.safe_dump(metadata))
    found = render(shop, {"first": STATED, "second": STATED | {"instance": "other"}})
    assert faults(found, "1.36") == []
    names = [thing["metadata"]["name"] for thing in of_kind(found, "ConfigMap")]
    assert names == ["demo-cache-sidecar", "other-cache-sidecar"]
    with pytest.raises(RefusedError, match="two sidecars of this release have the instance demo"):
        render(shop, {"first": STATED, "second": STATED})
    off = STATED | {"enabled": False}
    assert of_kind(render(shop, {"first": STATED, "second": off}), "ConfigMap")


@pytest.mark.parametrize("kube", [VERSIONS[1], VERSIONS[-1]])
def test_the_longest_names_are_accepted(shop: Path, kube: str) -> None:
    """Of a release, an instance and an account; also names that look like numbers in YAML."""
    long = {"instance": "i" * 63, "serviceAccountName": "s" * 253}
    found = render_shop(shop, long, kube=kube, release="r" * 53, namespace="n" * 63)
    assert faults(found, kube) == []
    digits = {"instance": "1", "serviceAccountName": "2", "config": {"name": "0x10"}}
    found = render_shop(shop, digits, kube=kube, release="1e3", namespace="007")
    assert faults(found, kube) == []


def test_the_image_is_named_by_its_digest_or_tag(shop: Path) -> None:
    """The default tag is the chart's version; a digest takes precedence over a tag."""
    version = yaml.safe_load((SIDECAR / "Chart.yaml").read_text())["appVersion"]
    name, digest = "registry.example.com:5000/a/b", "sha256:" + "0" * 64

    def image(**stated: str) -> str:
        found = render_shop(shop, {"image": {"repository": name, **stated}})
        return str(sidecar_of(found)["image"])

    assert image() == f"{name}:{version}"
    assert image(tag="1.10") == f"{name}:1.10"
    assert image(tag="1.10", digest=digest) == f"{name}@{digest}"


def test_everything_of_the_container_can_be_overridden(shop: Path) -> None:
    """This includes removing fields with null."""
    found = render_shop(
        shop,
        {
            "resources": {"requests": {"cpu": None, "memory": "4Gi"}, "limits": {"a.b/nic": 1}},
            "securityContext": {"runAsUser": None, "runAsGroup": 7, "capabilities": {"add": ["X"]}},
            "probes": {"startup": None, "liveness": {"periodSeconds": 3}},
            "extraArgs": ["--data-socket=/run/cache/socket"],
            "extraEnv": [{"name": "TZ", "value": "UTC"}],
            "extraVolumeMounts": [{"name": "cache-sidecar-data", "mountPath": "/run/cache"}],
            "ports": {"data": 1, "ops": 2},
            "opsAddress": "[::]",
            "linger": "1m30s",
            "token": {"expirationSeconds": 10000000},
            "log": {"format": "tree", "level": "debug"},
            "events": "all",
        },
    )
    assert faults(found, "1.36") == []
    container = sidecar_of(found)
    assert container["resources"] == {
        "requests": {"memory": "4Gi", "ephemeral-storage": "2560Mi"},
        "limits": {"memory": "4096Mi", "a.b/nic": 1},
    }
    context = container["securityContext"]
    assert "runAsUser" not in context
    assert context["runAsGroup"] == 7
    assert context["capabilities"] == {"add": ["X"], "drop": ["ALL"]}
    assert "startupProbe" not in container
    assert container["livenessProbe"]["periodSeconds"] == 3
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert {"name": "TZ", "value": "UTC"} in container["env"]
    assert container["ports"] == [{"name": "cache-ops", "containerPort": 2, "protocol": "TCP"}]
    flags = flags_of(container)
    assert flags["--data-bind"] == "127.0.0.1:1"
    assert flags["--ops-bind"] == "[::]:2"
    assert flags["--linger"] == "1m30s"
    assert flags["--data-socket"] == "/run/cache/socket"
    assert flags["--events"] == "all"
    token = volumes_of(found)["cache-sidecar-token"]["projected"]["sources"][0]
    assert token["serviceAccountToken"]["expirationSeconds"] == 10000000
    [application] = pod_of(found)["containers"]
    assert application["env"] == [
        {"name": "CACHE_SIDECAR_URL", "value": "http://127.0.0.1:1"},
        {"name": "CACHE_SIDECAR_REDIS_URL", "value": "redis://127.0.0.1:6379"},
    ]


def test_labels_and_annotations_of_every_object_are_on_every_object(shop: Path) -> None:
    """Their own take precedence, and the workload is yours."""
    common = {"team": "a", "app.kubernetes.io/name": "b", "cache-sidecar/instance": "c"}
    values: Values = {
        "commonLabels": common,
        "commonAnnotations": {"example.com/owner": "a", "helm.sh/resource-policy": "delete"},
        "dashboards": {"enabled": True, "annotations": {"folder": "x"}},
        "networkPolicy": {"enabled": True, "ingress": []},
        "podMonitor": {"enabled": True, "labels": {"team": "own"}},
        "prometheusRule": {"enabled": True},
    }
    found = [each for each in render_shop(shop, values) if each["kind"] != "StatefulSet"]
    assert {each["kind"] for each in found} == {
        *("ConfigMap", "NetworkPolicy", "Pod", "PodMonitor", "PrometheusRule", "Role"),
        "RoleBinding",
    }
    for each in found:
        labels, annotations = each["metadata"]["labels"], each["metadata"]["annotations"]
        assert labels["team"] == ("own" if each["kind"] == "PodMonitor" else "a"), each["kind"]
        assert labels["app.kubernetes.io/name"] == "cache-sidecar"
        assert labels.get("cache-sidecar/instance") in (None, "demo")
        assert annotations["example.com/owner"] == "a", each["kind"]
    [documents] = [
        each
        for each in found
        if each["metadata"]["name"] == "demo-cache-sidecar" and each["kind"] == "ConfigMap"
    ]
    assert documents["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    [pod] = of_kind(found, "Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"


def test_the_container_takes_what_kubernetes_offers_for_one(shop: Path) -> None:
    """As it is stated; a test of the pod has its own selector and tolerations."""
    values: Values = {
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "envFrom": [{"configMapRef": {"name": "proxy"}}],
        "resizePolicy": [{"resourceName": "memory", "restartPolicy": "NotRequired"}],
        "helmTest": {"nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}]},
    }
    found = render_shop(shop, values)
    assert faults(found, "1.36") == []
    stated = {name: sidecar_of(found)[name] for name in ("lifecycle", "envFrom", "resizePolicy")}
    assert stated.items() <= values.items()
    [test] = of_kind(found, "Pod")
    assert {name: test["spec"][name] for name in values["helmTest"]} == values["helmTest"]


@pytest.mark.parametrize("scraped", [False, True])
def test_a_prometheus_without_the_operator_finds_the_pods(shop: Path, scraped: bool) -> None:
    found = render_shop(shop, {"scrapeAnnotations": scraped, "ports": {"ops": 8071}})
    annotations = one(found, "StatefulSet")["spec"]["template"]["metadata"]["annotations"]
    prefix = "prometheus.io"
    stated = {"scrape": "true", "port": "8071", "path": "/metrics"}
    assert annotations == ({f"{prefix}/{k}": v for k, v in stated.items()} if scraped else None)


def test_users_are_left_to_a_cluster_that_gives_them(tmp_path: Path) -> None:
    """As in the README, in a chart's values.yaml: Helm 4 ignores a null there."""
    section = (SIDECAR / "README.md").read_text().partition("On OpenShift")[2]
    context, l3 = re.findall(r"`(\w+: {.*?})`", section)[:2]
    shop = make_shop(tmp_path / "shop")
    values = STATED | yaml.safe_load(context) | yaml.safe_load(l3)
    values["l3"]["type"] = "volumeClaimTemplate"
    (shop / "values.yaml").write_text(yaml.safe_dump({"cache-sidecar": values}))
    found = render(shop)
    assert not pod_of(found)["securityContext"]
    for pod in pods(found):
        assert violations(pod["spec"]) == []
        for container in pod["spec"]["initContainers"]:
            assert not {"runAsUser", "runAsGroup"} & container["securityContext"].keys()


def test_it_is_well_formed() -> None:
    """`helm lint --strict` of the chart alone, with both Helms."""
    for stated in ("workload=true", "workload=false"):
        for done in helms("lint", "--strict", str(SIDECAR), "--set", stated).values():
            assert done.returncode == 0, done.stdout
