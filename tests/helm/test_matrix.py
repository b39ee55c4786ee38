"""Combinations of values and Kubernetes versions: all rendered objects would be accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helm.accepted import faults, pods
from tests.helm.charts import OPERATOR, VERSIONS, Object, chart_of_ones_own, helms, of_kind, render
from tests.helm.restricted import violations
from tests.helm.shop import OLD_WORKLOAD, STATED, WORKLOAD, Values

LARGE = {"tiers": {"l1": {"max_bytes": "1GiB"}, "l2": {"max_bytes": "2GiB", "policy": "sieve"}}}
PEER = {"podSelector": {"matchLabels": {"app": "caller"}}}

VARIANTS: dict[str, Values] = {
    "plain": {},
    "ephemeral": {"l3": {"type": "ephemeral", "storageClassName": "fast", "size": "10Gi"}},
    "template": {"l3": {"type": "volumeClaimTemplate", "accessModes": ["ReadWriteOncePod"]}},
    "claim": {"l3": {"type": "existingClaim", "existingClaim": "data"}, "replicas": 1},
    "none": {"l3": {"type": "none"}, "config": {"owner": "operator", "name": "shared"}},
    "quiet": {
        "config": {"watch": False},
        "events": "none",
        "redis": {"enabled": False},
        "serviceAccountName": "",
        "helmTest": {"enabled": False},
        "probes": {"startup": None},
    },
    "large": {
        "config": {"documents": {"cache.yaml": LARGE, "rules.yaml": "level: maximum  # text\n"}},
        "resources": {"requests": {"cpu": 0.5}, "limits": {"cpu": "2", "memory": "6Gi"}},
        "log": {"format": "tree", "level": "debug"},
    },
    "watched": {
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "15s"},
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Caches"}},
        "networkPolicy": {
            "enabled": True,
            "ingress": [{"from": [PEER], "ports": [{"port": "http"}]}],
            "egress": [{"to": [PEER]}],
            "scrapers": [PEER],
        },
    },
    "extended": {
        "ports": {"data": 17070, "ops": 17071, "redis": 16379},
        "opsAddress": "[::]",
        "linger": "40s",
        "image": {"repository": "registry.example.com:5000/a/b", "digest": f"sha256:{'a' * 64}"},
        "extraArgs": ["--data-socket=/run/cache/socket"],
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
        "extraVolumeMounts": [{"name": "cache-sidecar-config", "mountPath": "/run/cache"}],
    },
    "around": {
        "commonLabels": {"team": "shop", "cost-centre": "7"},
        "auth": {"existingSecret": "cache-token", "existingSecretKey": "cache.token"},
        "commonAnnotations": {"example.com/owner": "shop"},
        "dataSocket": {"path": "/run/cache/socket", "mode": "660"},
        "redis": {"setRedisUrl": True},
        "redisSocket": {"path": "/run/cache/redis"},
        "extraVolumeMounts": [{"name": "cache-sidecar-data", "mountPath": "/run/cache"}],
        "envFrom": [
            {"configMapRef": {"name": "proxy"}},
            {"prefix": "A_", "secretRef": {"name": "secret", "optional": True}},
        ],
        "lifecycle": {"preStop": {"exec": {"command": ["cache-sidecar", "stats"]}}},
        "resizePolicy": [{"resourceName": "memory", "restartPolicy": "NotRequired"}],
        "scrapeAnnotations": True,
        "podMonitor": {"enabled": "auto", "annotations": {"note": "b"}},
        "networkPolicy": {"enabled": True, "ingress": []},
        "helmTest": {
            "nodeSelector": {"kubernetes.io/arch": "amd64"},
            "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
        },
    },
}
"""Each is a dependency of one chart, by an alias, so a version takes one render."""


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A chart with all variants, as native sidecars and as additional containers."""
    folder = tmp_path_factory.mktemp("matrix")
    return {
        name: _shop(folder / name, workload)
        for name, workload in (("native", WORKLOAD), ("beside", OLD_WORKLOAD))
    }


def _shop(folder: Path, workload: str) -> Path:
    templates = {
        f"{name}.yaml": workload.replace("CONTEXT", f'(index .Subcharts "{name}")').replace(
            "shop", name
        )
        for name in VARIANTS
    }
    chart = chart_of_ones_own(folder, templates)
    metadata = json.loads((chart / "Chart.yaml").read_text())
    [dependency] = metadata["dependencies"]
    metadata["dependencies"] = [dependency | {"alias": name} for name in VARIANTS]
    (chart / "Chart.yaml").write_text(json.dumps(metadata))
    return chart


def _render(chart: Path, kube: str) -> list[Object]:
    values = {name: STATED | {"instance": name} | more for name, more in VARIANTS.items()}
    return render(chart, values, kube=kube, apis=OPERATOR)


@pytest.mark.parametrize(
    ("kube", "placement"),
    [
        (VERSIONS[0], "beside"),
        (VERSIONS[-1], "beside"),
        *((kube, "native") for kube in VERSIONS[1:]),
    ],
)
def test_every_version_takes_every_variant(
    shops: dict[str, Path], kube: str, placement: str
) -> None:
    """This includes the pods where *restricted* is enforced, and native sidecars if supported."""
    found = _render(shops[placement], kube)
    assert faults(found, kube) == []
    assert len(of_kind(found, "StatefulSet")) == len(VARIANTS)
    refused = [violations(pod["spec"]) for pod in pods(found)]
    assert refused == [[]] * len(refused)


def test_both_helms_find_the_chart_well_formed(shops: dict[str, Path], tmp_path: Path) -> None:
    """`helm lint --strict`, for the chart and for those that depend on it."""
    values: dict[str, Any] = {name: STATED | more for name, more in VARIANTS.items()}
    (tmp_path / "values.json").write_text(json.dumps(values))
    lint = ("lint", "--strict", "--with-subcharts", str(shops["native"]))
    for major, done in helms(*lint, "--values", str(tmp_path / "values.json")).items():
        assert done.returncode == 0, f"Helm {major}: {done.stdout}{done.stderr}"
