"""The Pod Security Standard *restricted*, as the admission of the API server enforces it on Pods.

https://kubernetes.io/docs/concepts/security/pod-security-standards/ (of Kubernetes 1.36). A
Deployment that violates it causes only a warning, but its Pods are refused. So the checks are for a
pod's whole specification, with the application's containers in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Spec = dict[str, Any]

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"} | {
    "projected",
    "secret",
}
HANDLERS = ("livenessProbe", "readinessProbe", "startupProbe")


def violations(spec: Spec) -> list[str]:
    """The reasons to refuse a pod with this specification, one sentence each."""
    return [
        *_of_pod(spec),
        *(fault for each in _containers(spec) for fault in _of_container(*each)),
    ]


def _containers(spec: Spec) -> Iterator[tuple[Spec, Spec]]:
    """Each container, with the security context that it inherits from the pod."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(field) or []:
            yield container, spec.get("securityContext") or {}


def _of_pod(spec: Spec) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} is set"
    for volume in spec.get("volumes") or []:
        for kind in volume.keys() - {"name"} - VOLUMES:
            yield f"the volume {volume['name']} is a {kind}"
    context = spec.get("securityContext") or {}
    yield from (f"the pod's {fault}" for fault in _of_either(context))
    if context.get("sysctls"):
        yield "sysctls are set"


def _of_container(container: Spec, inherited: Spec) -> Iterator[str]:
    own = container.get("securityContext") or {}
    yield from (f"{container['name']}: {fault}" for fault in _of_own(own, container))
    yield from (f"{container['name']}: {fault}" for fault in _of_either(own))
    both = inherited | own
    if both.get("runAsNonRoot") is not True:
        yield f"{container['name']}: runAsNonRoot is not true"
    if (both.get("seccompProfile") or {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        yield f"{container['name']}: it has no seccompProfile"


def _of_own(own: Spec, container: Spec) -> Iterator[str]:
    capabilities = own.get("capabilities") or {}
    if own.get("privileged"):
        yield "it is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if "ALL" not in (capabilities.get("drop") or []):
        yield "it does not drop ALL capabilities"
    if set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield "it adds capabilities"
    if own.get("procMount", "Default") != "Default":
        yield "procMount is not Default"
    if any(port.get("hostPort") for port in container.get("ports") or []):
        yield "it has a port of the host"
    yield from _of_handlers(container)


def _of_handlers(container: Spec) -> Iterator[str]:
    hooks = (container.get("lifecycle") or {}).items()
    for name, handler in [*((name, container.get(name)) for name in HANDLERS), *hooks]:
        for action in ("httpGet", "tcpSocket"):
            if ((handler or {}).get(action) or {}).get("host"):
                yield f"{name} names a host"


def _of_either(context: Spec) -> Iterator[str]:
    """Violations of fields that both the pod's and a container's context have."""
    if context.get("runAsUser") == 0:
        yield "runAsUser is 0"
    if context.get("runAsNonRoot") is False:
        yield "runAsNonRoot is false"
    if (context.get("seccompProfile") or {}).get("type") == "Unconfined":
        yield "seccompProfile is Unconfined"
    if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
        yield "appArmorProfile is Unconfined"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "hostProcess is set"
    if {"user", "role"} & (context.get("seLinuxOptions") or {}).keys():
        yield "seLinuxOptions name a user or a role"
