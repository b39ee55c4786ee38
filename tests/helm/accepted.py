"""Checks whether an API server would accept an object: its schema, and rules beyond schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
from cloudcoil.models.prometheus_operator.v1 import PodMonitor, PrometheusRule
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError
from referencing import Registry, Resource

from tests.helm.charts import Object, of_kind
from tests.helm.pods import faults_of_claim, faults_of_pod

SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
"""The API servers' schemas, by version; read once, as the package reads them for each object."""
MODELS: dict[str, type[BaseModel]] = {"PodMonitor": PodMonitor, "PrometheusRule": PrometheusRule}
"""The kinds of the Prometheus operator; all others are Kubernetes' own."""
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
LARGEST_APPLIED = 256 * 1024
"""The size limit of the annotation in which `kubectl apply` and GitOps tools store an object."""

LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PART = r"([a-z0-9][a-z0-9-]*)?[a-z0-9]"
SERVICE_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
DNS_NAME = re.compile(rf"(?=.{{1,253}}$){_PART}(\.{_PART})*")
"""The limit for the names of most objects. An API server limits the whole name and not its parts,
as RFC 1123 does too.
"""
PATH_NAME = re.compile(r"(?!\.{1,2}$)[^/%]+")
FILE_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")


def faults(found: Iterable[Object], kube: str) -> list[str]:
    """The errors that a server of this version would report, one line each, with kind and name."""
    found = list(found)
    names = [(thing["kind"], thing["metadata"].get("name")) for thing in found]
    twice = {name for name in names if names.count(name) > 1}
    return [f"{kind} {name}: it is there twice" for kind, name in sorted(twice)] + [
        f"{thing['kind']} {thing['metadata'].get('name')}: {fault}"
        for thing in found
        for fault in (*_of_schema(thing, kube), *_of_metadata(thing), *_of_kind(thing, kube))
    ]


def pods(found: Iterable[Object]) -> list[Object]:
    """All pods among these objects, or created by them, with their metadata, as Pods."""
    found = list(found)
    made = [thing["spec"]["template"] for kind in WORKLOADS for thing in of_kind(found, kind)]
    return [{"apiVersion": "v1", "kind": "Pod", **template} for template in made] + of_kind(
        found, "Pod"
    )


def _of_schema(thing: Object, kube: str) -> list[str]:
    if thing["apiVersion"] == "monitoring.coreos.com/v1":
        return _of_model(thing)
    group, _, version = thing["apiVersion"].rpartition("/")
    name = "-".join([thing["kind"].lower(), *([group.split(".")[0]] if group else []), version])
    return [error.message for error in _validator(name, kube).iter_errors(thing)]


def _of_model(thing: Object) -> list[str]:
    try:
        MODELS[thing["kind"]].model_validate(thing, extra="forbid")
    except ValidationError as error:
        return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    return []


@cache
def _validator(name: str, kube: str) -> Draft202012Validator:
    """The validator of a kind, with the strict schema, which has only the server's fields."""
    schema = json.loads((SCHEMAS / f"v{kube}.0-local-strict" / f"{name}.json").read_text())
    return Draft202012Validator(schema, registry=_definitions(kube))


@cache
def _definitions(kube: str) -> Registry[Any]:
    text = (SCHEMAS / f"v{kube}.0-local-strict" / "_definitions.json").read_text()
    return Resource.from_contents(json.loads(text)) @ Registry()


def _of_metadata(thing: Object) -> Iterator[str]:
    metadata = thing["metadata"]
    if not _form_of_name(thing).fullmatch(metadata.get("name") or ""):
        yield f"the name {metadata.get('name')!r} is not allowed"
    yield from _of_labels(metadata.get("labels") or {})
    for key, value in (metadata.get("annotations") or {}).items():
        if not isinstance(value, str) or not _qualified(key):
            yield f"the annotation {key}: {value!r} is not allowed"


def _form_of_name(thing: Object) -> re.Pattern[str]:
    if thing["kind"] == "Service":
        return SERVICE_NAME
    if thing["kind"] in {"Namespace", *WORKLOADS}:
        return DNS_LABEL
    rights = thing["apiVersion"].startswith("rbac.authorization.k8s.io/")
    return PATH_NAME if rights else DNS_NAME


def _of_labels(labels: Mapping[str, Any]) -> Iterator[str]:
    for key, value in labels.items():
        if not isinstance(value, str) or not LABEL.fullmatch(value) or not _qualified(key):
            yield f"the label {key}: {value!r} is not allowed"


def _qualified(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    return bool(
        name and LABEL.fullmatch(name) and (not slash or DNS_NAME.fullmatch(prefix.lower()))
    )


def _of_kind(thing: Object, kube: str) -> Iterator[str]:
    kind, spec = thing["kind"], thing.get("spec") or {}
    if kind in WORKLOADS:
        yield from _of_workload(thing, kube)
    elif kind == "Pod":
        yield from faults_of_pod(spec, kube)
    elif kind == "ConfigMap":
        yield from _of_config_map(thing)
    elif kind in {"RoleBinding", "ClusterRoleBinding"}:
        yield from _of_binding(thing)
    elif kind == "NetworkPolicy":
        yield from _of_policy(spec)


def _of_workload(thing: Object, kube: str) -> Iterator[str]:
    spec = thing["spec"]
    labels = spec["template"]["metadata"].get("labels") or {}
    yield from _of_labels(labels)
    for key, value in spec["selector"]["matchLabels"].items():
        if labels.get(key) != value:
            yield f"its selector {key}: {value} does not match its own pods"
    claims = spec.get("volumeClaimTemplates") or []
    names = [claim["metadata"]["name"] for claim in claims]
    yield from faults_of_pod(spec["template"]["spec"], kube, names)
    yield from (fault for claim in claims for fault in faults_of_claim(claim["spec"]))
    if spec["template"]["spec"].get("restartPolicy", "Always") != "Always":
        yield "its pods' restartPolicy is not Always"


def _of_config_map(thing: Object) -> Iterator[str]:
    data = thing.get("data") or {}
    for key, value in data.items():
        if not FILE_NAME.fullmatch(key) or not isinstance(value, str):
            yield f"the key {key!r} is not allowed"
    if sum(len(key) + len(str(value).encode()) for key, value in data.items()) > LARGEST_APPLIED:
        yield f"more than {LARGEST_APPLIED} bytes"


def _of_binding(thing: Object) -> Iterator[str]:
    if thing["roleRef"].get("apiGroup") != "rbac.authorization.k8s.io":
        yield "its roleRef has no apiGroup"
    if thing["roleRef"].get("kind") not in {"Role", "ClusterRole"}:
        yield "its roleRef is no role"
    for subject in thing.get("subjects") or []:
        if subject["kind"] == "ServiceAccount" and not subject.get("namespace"):
            yield f"its subject {subject['name']} has no namespace"
        if not DNS_NAME.fullmatch(subject["name"]):
            yield f"its subject {subject['name']!r} is no name"


def _of_policy(spec: Mapping[str, Any]) -> Iterator[str]:
    if not set(spec.get("policyTypes") or []) <= {"Ingress", "Egress"}:
        yield f"policyTypes {spec['policyTypes']}"
    yield from _of_labels((spec.get("podSelector") or {}).get("matchLabels") or {})
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for rule in spec.get(direction) or []:
            for peer in rule.get(peers) or []:
                if not peer or ("ipBlock" in peer and len(peer) > 1):
                    yield f"{direction}: {peer} is not one peer"
            for port in rule.get("ports") or []:
                if port.get("protocol", "TCP") not in {"TCP", "UDP", "SCTP"}:
                    yield f"{direction}: protocol {port['protocol']}"
