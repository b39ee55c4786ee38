"""Checks of pods by the API server that are not in schemas: names, references, enumerations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

Spec = dict[str, Any]

DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
PORT_NAME = re.compile(r"(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
ENV_NAME = re.compile(r"[!-<>-~]+")
IMAGE = re.compile(
    r"[A-Za-z0-9.-]+(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
SCALE: dict[str, float] = {"m": 0.001, "": 1} | {
    letter + i: base**power
    for i, base in (("", 1000), ("i", 1024))
    for power, letter in enumerate("kMGTPE" if not i else "KMGTPE", 1)
}

ALLOWED = {
    "imagePullPolicy": {"Always", "IfNotPresent", "Never"},
    "terminationMessagePolicy": {"File", "FallbackToLogsOnError"},
    "restartPolicy": {"Always", "OnFailure", "Never", "NotRequired", "RestartContainer"},
    "dnsPolicy": {"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"},
    "protocol": {"TCP", "UDP", "SCTP"},
    "fsGroupChangePolicy": {"OnRootMismatch", "Always"},
    "volumeMode": {"Filesystem", "Block"},
    "medium": {"", "Memory"},
    "scheme": {"HTTP", "HTTPS"},
}
"""Valid values of enumerated fields, by the name of the field, in any place."""
ACCESS_MODES = {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"}
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
HANDLERS = {"httpGet", "exec", "tcpSocket", "grpc"}


def faults_of_pod(spec: Spec, kube: str, claims: Iterable[str] = ()) -> Iterator[str]:
    """The errors of a pod. `claims`: the names of the volumes that a StatefulSet adds."""
    first, last = spec.get("initContainers") or [], spec["containers"]
    volumes = [volume["name"] for volume in spec.get("volumes") or []] + list(claims)
    yield from _repeated("container", [each["name"] for each in (*first, *last)])
    yield from _repeated("volume", volumes)
    yield from _of_enumerations(spec)
    for volume in spec.get("volumes") or []:
        yield from _of_volume(volume)
    for container in (*first, *last):
        for fault in _of_container(container, set(volumes)):
            yield f"{container['name']}: {fault}"
    for container in first:
        yield from _of_init_container(container, kube)
    for container in last:
        if "restartPolicy" in container:
            yield f"{container['name']}: restartPolicy is for init containers"


def _of_init_container(container: Spec, kube: str) -> Iterator[str]:
    sidecar = container.get("restartPolicy") == "Always"
    if sidecar and _minor(kube) < 29:
        yield f"{container['name']}: Kubernetes {kube} knows no native sidecars"
    for field in (*PROBES, "lifecycle"):
        if field in container and not sidecar:
            yield f"{container['name']}: {field} is not for an init container that ends"


def _of_container(container: Spec, volumes: set[str]) -> Iterator[str]:
    if not IMAGE.fullmatch(container.get("image") or ""):
        yield f"the image {container.get('image')!r} can't be pulled"
    ports, env = container.get("ports") or [], container.get("env") or []
    yield from _repeated("port", [each["name"] for each in ports if "name" in each], PORT_NAME)
    yield from _repeated("port", [f"{each['containerPort']}" for each in ports], re.compile(r"\d+"))
    yield from _repeated("variable", [each["name"] for each in env], ENV_NAME)
    for each in env:
        if "value" in each and "valueFrom" in each:
            yield f"the variable {each['name']} has two values"
    yield from _of_mounts(container.get("volumeMounts") or [], volumes)
    yield from _of_resources(container.get("resources") or {})
    for name in PROBES:
        yield from (f"{name} {fault}" for fault in _of_probe(container.get(name), name, ports))


def _of_mounts(mounts: list[Spec], volumes: set[str]) -> Iterator[str]:
    yield from _repeated("mount", [each["mountPath"] for each in mounts], re.compile(r"[^:]+"))
    for each in mounts:
        if each["name"] not in volumes:
            yield f"it mounts {each['name']}, which is no volume"


def _of_resources(resources: Spec) -> Iterator[str]:
    for kind in ("requests", "limits"):
        for name, quantity in (resources.get(kind) or {}).items():
            if not QUANTITY.fullmatch(str(quantity)):
                yield f"{kind}.{name} {quantity!r} is no quantity"
                return
    limits = resources.get("limits") or {}
    for name, quantity in (resources.get("requests") or {}).items():
        if name in limits and amount(quantity) > amount(limits[name]):
            yield f"it requests more {name} than its limit"


def _of_probe(probe: Spec | None, name: str, ports: list[Spec]) -> Iterator[str]:
    if probe is None:
        return
    if len(probe.keys() & HANDLERS) != 1:
        yield "has not one handler"
    port = (probe.get("httpGet") or probe.get("tcpSocket") or {}).get("port")
    if isinstance(port, str) and port not in {each.get("name") for each in ports}:
        yield f"names the port {port}, which is not there"
    if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
        yield "needs a successThreshold of 1"
    least = {"initialDelaySeconds": 0, "timeoutSeconds": 1, "periodSeconds": 1}
    for field, low in (least | {"failureThreshold": 1}).items():
        if probe.get(field, low) < low:
            yield f"has a {field} below {low}"


def _of_volume(volume: Spec) -> Iterator[str]:
    if len(volume) != 2:
        yield f"the volume {volume['name']} has not one source"
    size = (volume.get("emptyDir") or {}).get("sizeLimit", "1")
    if not QUANTITY.fullmatch(str(size)):
        yield f"the volume {volume['name']} has the size {size!r}"
    claim = ((volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}).get("spec")
    if claim is not None:
        yield from faults_of_claim(claim)


def faults_of_claim(spec: Spec) -> Iterator[str]:
    """The errors of a claim for a volume."""
    modes = spec.get("accessModes") or []
    if not modes or not set(modes) <= ACCESS_MODES:
        yield f"accessModes {modes}"
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if not QUANTITY.fullmatch(str(size)):
        yield f"a claim of {size!r}"


def _of_enumerations(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _of_enumerations(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and value not in ALLOWED.get(key, {value}):
                yield f"{key}: {value!r} is not one of {sorted(ALLOWED[key])}"
            yield from _of_enumerations(value)


def _repeated(what: str, names: list[str], form: re.Pattern[str] = DNS_LABEL) -> Iterator[str]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"the {what} {name} is there twice"
    for name in names:
        if not form.fullmatch(name):
            yield f"the {what} {name!r} has a name that is not allowed"


def amount(quantity: object) -> float:
    """The number that a Kubernetes quantity stands for."""
    found = QUANTITY.fullmatch(str(quantity))
    assert found, f"{quantity!r} is no quantity"
    return float(found[1]) * SCALE[found[2] or ""]


def _minor(kube: str) -> int:
    return int(kube.split(".")[1])
