"""Invalid values: both Helms reject them with a sentence that says what to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helm.charts import SIDECAR, RefusedError, render
from tests.helm.shop import OLD_WORKLOAD, STATED, WORKLOAD, Values, make_shop, render_shop

LARGE_L3 = {"cache.yaml": {"tiers": {"l3": {"max_bytes": "2GiB"}}}}
LARGE_L2 = {"cache.yaml": "tiers: {l2: {max_bytes: 1GiB}}"}
TWO = [{"name": "TZ", "value": "UTC"}, {"name": "TZ", "value": "CET"}]

REFUSED: list[tuple[Values, str]] = [
    ({"lifecycle": {"preStop": {}}}, "lifecycle.preStop has no handler"),
    (
        {"lifecycle": {"postStart": {"sleep": {"seconds": 1}, "exec": {"command": ["x"]}}}},
        "lifecycle.postStart has exec and sleep",
    ),
    ({"envFrom": [{"prefix": "A_"}]}, "envFrom: number 0 has no source"),
    (
        {"envFrom": [{"secretRef": {"name": "a"}, "configMapRef": {"name": "b"}}]},
        "envFrom: number 0 has both configMapRef and secretRef",
    ),
    (
        {"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}] * 2},
        "cpu is listed twice",
    ),
    (
        {
            "extraVolumeMounts": [
                {"name": "a", "mountPath": "/a", "subPath": "b", "subPathExpr": "c"}
            ]
        },
        "/a has both subPath and subPathExpr",
    ),
    ({"probes": {"liveness": {"httpGet": None}}}, "probes.liveness has no handler"),
    ({"image": {}}, "image.repository is required"),
    ({"image": {"repository": "a.example:5000/b:1.0"}}, "set the tag as image.tag"),
    ({"serviceAccountName": ""}, "serviceAccountName is required"),
    ({"events": "all", "config": {"watch": False}}, "Events require config.watch"),
    ({"config": {"documents": {"rules.yaml": "- 1"}}}, "rules.yaml is not a YAML map"),
    ({"config": {"documents": {"cache.yaml": "a: [}"}}}, "cache.yaml is not a YAML map"),
    (
        {"config": {"documents": {"cache.yaml": "tiers: {l1: {max_bytes: 1TB}}"}}},
        "the max_bytes of tiers.l1 is not a size",
    ),
    (
        {"config": {"documents": {"cache.yaml": "tiers: {l2: {max_bytes: 100M}}"}}},
        "the max_bytes of tiers.l2 is not a size",
    ),
    ({"l3": {"type": "none"}, "config": {"documents": LARGE_L3}}, "there is no volume for L3"),
    ({"l3": {"size": "73Mi"}}, "set at least 74Mi, or l3.type: none"),
    (
        {"config": {"documents": LARGE_L3}},
        "set at least 4623Mi, or a max_bytes of at most 1120MiB",
    ),
    ({"l3": {"type": "existingClaim"}, "replicas": 1}, "l3.existingClaim is required"),
    ({"l3": {"type": "existingClaim", "existingClaim": "c"}}, "set replicas: 1"),
    (
        {"l3": {"type": "existingClaim", "existingClaim": "c"}, "replicas": 2},
        "but replicas is 2: use l3.type ephemeral",
    ),
    ({"l3": {"existingClaim": "c"}}, "l3.existingClaim is set, but l3.type is emptyDir"),
    ({"l3": {"storageClassName": "fast"}}, "l3.type emptyDir does not use a storage class"),
    ({"resources": {"limits": {"memory": "230Mi"}}}, "with full tiers the sidecar needs 231Mi"),
    (
        {"resources": {"limits": {"memory": "1Gi"}}, "config": {"documents": LARGE_L2}},
        "resources.limits.memory 1Gi is too small",
    ),
    (
        {"resources": {"limits": {"memory": "103Mi"}}, "config": {"owner": "operator"}},
        "needs 104Mi with empty tiers",
    ),
    (
        {"resources": {"requests": {"memory": "2G"}, "limits": {"memory": "1Gi"}}},
        "resources.requests.memory 2G is more than resources.limits.memory 1Gi",
    ),
    ({"resources": {"limits": {"cpu": "50m"}}}, "requests.cpu 100m is more than"),
    ({"resources": {"limits": {"cpu": 0.05}}}, "requests.cpu 100m is more than"),
    ({"resources": {"limits": {"ephemeral-storage": "2Gi"}}}, "the pod would be evicted"),
    ({"ports": {"data": 7071}}, "ports.data and ports.ops are both 7071"),
    ({"ports": {"redis": 7070}}, "ports.redis and ports.data are both 7070"),
    ({"ports": {"ops": 6379}}, "ports.redis and ports.ops are both 6379"),
    (
        {"redis": {"enabled": False, "setRedisUrl": True}},
        "redis.setRedisUrl is true, but redis.enabled is false",
    ),
    (
        {
            "redis": {"enabled": False},
            "redisSocket": {"path": "/run/cache/redis"},
            "extraVolumeMounts": [{"name": "a", "mountPath": "/run/cache"}],
        },
        "redisSocket.path is set, but redis.enabled is false",
    ),
    (
        {
            "dataSocket": {"path": "/run/cache/a"},
            "redisSocket": {"path": "/run/cache/a"},
            "extraVolumeMounts": [{"name": "a", "mountPath": "/run/cache"}],
        },
        "dataSocket.path and redisSocket.path are both /run/cache/a",
    ),
    ({"extraArgs": ["--resp-bind=off"]}, "--resp-bind is set by ports.redis and redis.enabled"),
    (
        {"probes": {"liveness": {"grpc": {"port": 1}}}},
        "set probes.liveness.httpGet: null",
    ),
    ({"probes": {"startup": {"successThreshold": 2}}}, "probes.startup.successThreshold is 2"),
    (
        {"probes": {"readiness": {"terminationGracePeriodSeconds": 9}}},
        "probes.readiness.terminationGracePeriodSeconds is set, but Kubernetes",
    ),
    ({"probes": {"liveness": {"httpGet": {"port": "ops"}}}}, "match pattern '^cache-ops$'"),
    ({"securityContext": {"runAsUser": 0}}, "runAsUser is 0, which is root"),
    (
        {"securityContext": {"appArmorProfile": {"localhostProfile": "p"}}},
        "securityContext.appArmorProfile.localhostProfile is set, but its type is not Localhost",
    ),
    ({"securityContext": {"privileged": True}}, "but allowPrivilegeEscalation is false"),
    (
        {"l3": {"type": "ephemeral", "accessModes": ["ReadWriteOncePod", "ReadWriteOnce"]}},
        "l3.accessModes has ReadWriteOncePod and other modes",
    ),
    (
        {"extraEnv": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {}}}]},
        "A has both value and valueFrom",
    ),
    (
        {"podMonitor": {"interval": "1m", "scrapeTimeout": "1m1s"}},
        "podMonitor.scrapeTimeout 1m1s is more than podMonitor.interval 1m",
    ),
    ({"extraArgs": ["--data-limit=1GiB"]}, "--data-limit is set by l3.size"),
    ({"extraArgs": ["--linger", "5s"]}, "--linger is set by linger"),
    ({"extraEnv": [{"name": "CACHE_SIDECAR_OPS_BIND", "value": "x"}]}, "is set by ports.ops"),
    ({"extraEnv": TWO}, "TZ is defined twice"),
    (
        {"extraVolumeMounts": [{"name": "x", "mountPath": "/etc/cache-sidecar/"}]},
        "/etc/cache-sidecar/ is already a mount point",
    ),
]


@pytest.mark.parametrize(("values", "sentence"), REFUSED, ids=[sentence for _, sentence in REFUSED])
def test_values_that_cannot_be_used_are_refused(shop: Path, values: Values, sentence: str) -> None:
    """There is only this one error."""
    with pytest.raises(RefusedError) as refused:
        render_shop(shop, values)
    for said in refused.value.said.values():
        [line] = [line for line in said.splitlines() if line.startswith("- ")]
        assert sentence in line


def test_everything_that_is_wrong_is_said_at_once(shop: Path) -> None:
    """The next render has no further errors."""
    with pytest.raises(RefusedError) as refused:
        render(shop, {"cache-sidecar": {"ports": {"data": 7071}, "l3": {"size": "1Mi"}}})
    for said in refused.value.said.values():
        assert len([line for line in said.splitlines() if line.startswith("- ")]) == 4


def test_what_the_sentences_ask_for_is_taken(shop: Path) -> None:
    """The values that the errors recommend, such as the smallest valid sizes."""
    render_shop(shop, {"l3": {"size": "74Mi"}})
    render_shop(shop, {"l3": {"size": "4623Mi"}, "config": {"documents": LARGE_L3}})
    render_shop(shop, {"resources": {"limits": {"memory": "231Mi"}}})
    render_shop(
        shop, {"config": {"owner": "operator"}, "resources": {"limits": {"memory": "104Mi"}}}
    )
    render_shop(shop, {"serviceAccountName": "", "rbac": {"create": False}})
    render_shop(shop, {"ports": {"data": 6379}, "redis": {"enabled": False}})
    render_shop(shop, {"podMonitor": {"interval": "1m30s", "scrapeTimeout": "90000ms"}})
    fits = {"cache.yaml": {"tiers": {"l3": {"max_bytes": "1120MiB"}}}}
    render_shop(shop, {"config": {"documents": fits}})


KEYED = ("commonLabels", "commonAnnotations", "podMonitor.labels", "dashboards.annotations")


@pytest.mark.parametrize("key", ["a b", "/x", "x/", "a/b/c", "A.example/b", "-x", "x" * 64, ""])
def test_a_key_that_is_none_of_a_label_or_annotation_is_refused(shop: Path, key: str) -> None:
    """A part of the objects would be created before the API server refuses one."""
    for path in KEYED:
        outer, _, inner = path.partition(".")
        values = {outer: {inner: {key: "1"}} if inner else {key: "1"}}
        with pytest.raises(RefusedError) as refused:
            render_shop(shop, values)
        assert all(f"- {path} has the key " in said for said in refused.value.said.values())


@pytest.mark.parametrize(
    "context",
    [".", ".Values", "dict", '(index .Subcharts "sidecar")', "(list)"],
    ids=["the parent's", "values", "none", "another chart's", "a list"],
)
def test_a_wrong_context_is_noticed(tmp_path: Path, context: str) -> None:
    """The error states the right one."""
    shop = make_shop(tmp_path / "shop", WORKLOAD.replace("CONTEXT", context))
    with pytest.raises(RefusedError) as refused:
        render_shop(shop)
    for said in refused.value.said.values():
        assert '(index .Subcharts "cache-sidecar")' in said
        assert "wrong context" in said


def test_a_cluster_without_native_sidecars_is_told_what_to_do(shop: Path, tmp_path: Path) -> None:
    """Before 1.29, the error recommends `cache-sidecar.container`."""
    with pytest.raises(RefusedError) as refused:
        render_shop(shop, kube="1.28")
    for said in refused.value.said.values():
        assert "cache-sidecar.container" in said
        assert "--linger" in said
    render_shop(make_shop(tmp_path / "shop", OLD_WORKLOAD), kube="1.28")
    render_shop(shop, kube="1.29")


def test_the_chart_alone_has_no_pods_to_speak_of() -> None:
    """The error says what to do; with `workload: false` it renders no objects of a workload."""
    with pytest.raises(RefusedError, match="make it a dependency of your application's chart"):
        render(SIDECAR, STATED)
    found = render(SIDECAR, {"workload": False})
    assert {thing["kind"] for thing in found} == {"ConfigMap"}
    assert all(thing["metadata"]["labels"]["grafana_dashboard"] == "1" for thing in found)


def test_templates_for_pods_are_refused_where_there_are_none(shop: Path) -> None:
    """`workload: false` in a chart that calls them is a contradiction."""
    with pytest.raises(RefusedError, match="`workload: false` declares"):
        render_shop(shop, {"workload": False})
