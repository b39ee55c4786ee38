"""The checks of rendered charts: each detects its error, and a valid pod passes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.helm.accepted import faults, pods
from tests.helm.charts import Object
from tests.helm.restricted import violations

CONTAINER: Object = {
    "name": "app",
    "image": "registry.example.com/app:1",
    "ports": [{"name": "http", "containerPort": 8080}],
    "env": [{"name": "PORT", "value": "8080"}],
    "resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": "1Gi"}},
    "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}
DEPLOYMENT: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "app", "labels": {"app.kubernetes.io/name": "app"}},
    "spec": {
        "selector": {"matchLabels": {"app": "app"}},
        "template": {
            "metadata": {"labels": {"app": "app"}},
            "spec": {
                "initContainers": [{**CONTAINER, "name": "helper", "restartPolicy": "Always"}],
                "containers": [CONTAINER],
                "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "1Gi"}}],
                "securityContext": {
                    "runAsNonRoot": True,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
            },
        },
    },
}
OTHERS: list[Object] = [
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app"}, "data": {"a": "b"}},
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "app"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "app"},
        "subjects": [{"kind": "ServiceAccount", "name": "app", "namespace": "shop"}],
    },
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "app"},
        "spec": {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]},
    },
    {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {"name": "app"},
        "spec": {"selector": {}, "podMetricsEndpoints": [{"port": "http"}]},
    },
]
SOUND = {thing["kind"]: thing for thing in (DEPLOYMENT, *OTHERS)}
POD = "spec.template.spec"
APP = f"{POD}.containers.0"

UNACCEPTED = [
    ("Deployment", "metadata.name", "App", "the name 'App'"),
    ("Deployment", "metadata.name", "a" * 64, "the name"),
    ("Deployment", "metadata.labels.version", "1.0+build", "the label version"),
    ("Deployment", "metadata.labels.version", 1, "is not of type"),
    ("Deployment", "metadata.annotations", {"a b": "c"}, "the annotation a b"),
    ("Deployment", "spec.replica", 1, "'replica' was unexpected"),
    ("Deployment", "spec.template.metadata.labels.app", "other", "does not match its own pods"),
    ("Deployment", f"{POD}.containers.0.name", "helper", "container helper is there twice"),
    ("Deployment", f"{POD}.volumes.0.name", "other", "mounts data, which is no volume"),
    ("Deployment", f"{POD}.volumes.0.secret", {"secretName": "a"}, "has not one source"),
    ("Deployment", f"{POD}.volumes.0.emptyDir.sizeLimit", "1GiB", "has the size '1GiB'"),
    ("Deployment", f"{POD}.volumes.0.emptyDir.medium", "RAM", "medium: 'RAM'"),
    ("Deployment", f"{POD}.dnsPolicy", "None at all", "dnsPolicy"),
    ("Deployment", f"{POD}.restartPolicy", "Never", "restartPolicy is not Always"),
    ("Deployment", f"{POD}.initContainers.0.restartPolicy", "OnFailure", "that ends"),
    ("Deployment", f"{APP}.image", "", "can't be pulled"),
    ("Deployment", f"{APP}.image", "registry.example.com/App", "can't be pulled"),
    ("Deployment", f"{APP}.imagePullPolicy", "Sometimes", "imagePullPolicy: 'Sometimes'"),
    ("Deployment", f"{APP}.ports.0.name", "more-than-fifteen", "port 'more-than-fifteen' has a"),
    ("Deployment", f"{APP}.ports.1", {"name": "http", "containerPort": 1}, "port http is there"),
    ("Deployment", f"{APP}.env.1", {"name": "PORT", "value": "1"}, "variable PORT is there twice"),
    ("Deployment", f"{APP}.env.0.value", 8080, "is not of type"),
    ("Deployment", f"{APP}.env.0.name", "A=B", "variable 'A=B' has a name"),
    ("Deployment", f"{APP}.env.0.valueFrom", {}, "has two values"),
    ("Deployment", f"{APP}.volumeMounts.1", {"name": "data", "mountPath": "/data"}, "mount /data"),
    ("Deployment", f"{APP}.resources.limits.memory", "1 GB", "is no quantity"),
    ("Deployment", f"{APP}.resources.limits.memory", "1Mi", "requests more memory"),
    ("Deployment", f"{APP}.readinessProbe.httpGet.port", "ops", "the port ops, which is not there"),
    ("Deployment", f"{APP}.readinessProbe.exec", {"command": ["true"]}, "has not one handler"),
    ("Deployment", f"{APP}.readinessProbe.periodSeconds", 0, "periodSeconds below 1"),
    ("Deployment", f"{APP}.restartPolicy", "Always", "restartPolicy is for init containers"),
    ("ConfigMap", "data.a/b", "c", "the key 'a/b'"),
    ("ConfigMap", "data.a", "b" * 300_000, "more than 262144 bytes"),
    ("RoleBinding", "roleRef.kind", "Rule", "its roleRef is no role"),
    ("RoleBinding", "subjects.0", {"kind": "ServiceAccount", "name": "a"}, "has no namespace"),
    ("NetworkPolicy", "spec.ingress.0.from.0", {}, "is not one peer"),
    ("NetworkPolicy", "spec.policyTypes", ["Inside"], "policyTypes ['Inside']"),
    ("PodMonitor", "spec.podMetricsEndpoints.0.prot", "http", "Extra inputs are not permitted"),
    ("PodMonitor", "spec.selector", None, "spec.selector"),
]

UNRESTRICTED: list[tuple[str, Any, str]] = [
    ("hostNetwork", True, "hostNetwork is set"),
    ("volumes.0", {"name": "data", "hostPath": {"path": "/"}}, "the volume data is a hostPath"),
    ("securityContext.runAsNonRoot", False, "runAsNonRoot is not true"),
    ("securityContext.runAsUser", 0, "runAsUser is 0"),
    ("securityContext.seccompProfile", None, "it has no seccompProfile"),
    ("securityContext.sysctls", [{"name": "a", "value": "b"}], "sysctls are set"),
    ("containers.0.securityContext", None, "allowPrivilegeEscalation is not false"),
    ("containers.0.securityContext.privileged", True, "it is privileged"),
    ("containers.0.securityContext.capabilities.drop", ["NET_RAW"], "does not drop ALL"),
    ("containers.0.securityContext.capabilities.add", ["SYS_ADMIN"], "it adds capabilities"),
    ("containers.0.securityContext.runAsNonRoot", False, "runAsNonRoot is not true"),
    ("containers.0.securityContext.seccompProfile", {"type": "Unconfined"}, "Unconfined"),
    ("containers.0.readinessProbe.httpGet.host", "127.0.0.1", "readinessProbe names a host"),
    ("containers.0.ports.0.hostPort", 80, "it has a port of the host"),
    ("initContainers.0.securityContext", None, "helper: allowPrivilegeEscalation is not false"),
]


def test_sound_objects_pass() -> None:
    assert faults(SOUND.values(), "1.36") == []
    [pod] = pods(SOUND.values())
    assert faults([{**pod, "metadata": {"name": "app", **pod["metadata"]}}], "1.36") == []
    assert violations(pod["spec"]) == []


@pytest.mark.parametrize(
    ("kind", "path", "value", "fault"),
    UNACCEPTED,
    ids=[f"{k}-{p}-{f}" for k, p, _, f in UNACCEPTED],
)
def test_what_an_api_server_refuses_is_noticed(
    kind: str, path: str, value: object, fault: str
) -> None:
    found = faults([changed(SOUND[kind], path, value)], "1.36")
    assert any(fault in each for each in found), found


def test_an_object_that_stands_twice_is_noticed() -> None:
    assert "ConfigMap app: it is there twice" in faults([SOUND["ConfigMap"]] * 2, "1.36")


def test_a_native_sidecar_on_a_cluster_that_knows_none_is_noticed() -> None:
    [fault] = faults([DEPLOYMENT], "1.28")
    assert "knows no native sidecars" in fault


@pytest.mark.parametrize(("path", "value", "violation"), UNRESTRICTED)
def test_what_pod_security_refuses_is_noticed(path: str, value: object, violation: str) -> None:
    pod = changed(DEPLOYMENT, f"{POD}.{path}", value)["spec"]["template"]["spec"]
    assert any(violation in each for each in violations(pod)), violations(pod)


def changed(thing: Object, path: str, value: object) -> Object:
    """A copy with another value at a path of keys and indices; an index past the end appends."""
    copied = copy.deepcopy(thing)
    node: Any = copied
    *way, last = path.split(".")
    for step in way:
        if isinstance(node, dict) and step not in node:
            node[step] = {}
        node = node[int(step)] if isinstance(node, list) else node[step]
    if isinstance(node, list):
        node[int(last) : int(last) + 1] = [value]
    else:
        node[last] = value
    return copied
