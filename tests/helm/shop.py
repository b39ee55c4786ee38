"""A third-party chart with the sidecar in it, for tests to render."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.helm.charts import Object, chart_of_ones_own, of_kind, one, render

Values = dict[str, Any]

STATED: Values = {"image": {"repository": "registry.example.com/cache-sidecar"}}
STATED |= {"serviceAccountName": "shop"}
"""Only the required values."""

WORKLOAD = """\
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: shop
spec:
  serviceName: shop
  selector:
    matchLabels: {app: shop}
  template:
    metadata:
      labels:
        app: shop
        {{- include "cache-sidecar.podLabels" CONTEXT | nindent 8 }}
      annotations:
        {{- include "cache-sidecar.podAnnotations" CONTEXT | nindent 8 }}
    spec:
      serviceAccountName: shop
      automountServiceAccountToken: false
      securityContext:
        {{- include "cache-sidecar.podSecurityContext" CONTEXT | nindent 8 }}
      initContainers:
        {{- include "cache-sidecar.initContainer" CONTEXT | nindent 8 }}
      containers:
        - name: shop
          image: registry.example.com/shop:1.0
          securityContext:
            runAsNonRoot: true
            allowPrivilegeEscalation: false
            capabilities: {drop: [ALL]}
            seccompProfile: {type: RuntimeDefault}
          env:
            {{- include "cache-sidecar.env" CONTEXT | nindent 12 }}
      volumes:
        {{- include "cache-sidecar.volumes" CONTEXT | nindent 8 }}
  volumeClaimTemplates:
    {{- include "cache-sidecar.volumeClaimTemplate" CONTEXT | nindent 4 }}
"""
"""With every template of the sidecar's chart; a StatefulSet, since it supports them all."""

OLD_WORKLOAD = WORKLOAD.replace(
    """\
      initContainers:
        {{- include "cache-sidecar.initContainer" CONTEXT | nindent 8 }}
      containers:
""",
    """\
      containers:
        {{- include "cache-sidecar.container" CONTEXT | nindent 8 }}
""",
)
"""The same for clusters without native sidecars."""


def make_shop(folder: Path, workload: str = WORKLOAD, *, alias: str | None = None) -> Path:
    """Create the chart in a folder that does not exist yet."""
    context = f'(index .Subcharts "{alias or "cache-sidecar"}")'
    return chart_of_ones_own(
        folder, {"workload.yaml": workload.replace("CONTEXT", context)}, alias=alias
    )


def render_shop(shop: Path, values: Values | None = None, **how: Any) -> list[Object]:
    """The rendered objects, with these values of the sidecar in addition to the required ones."""
    return render(shop, {"cache-sidecar": STATED | (values or {})}, **how)


def pod_of(found: list[Object]) -> Object:
    """The specification of its pods."""
    [workload] = of_kind(found, "StatefulSet")
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def sidecar_of(found: list[Object]) -> Object:
    """The sidecar's container, in either list."""
    pod = pod_of(found)
    everyone = [*(pod.get("initContainers") or []), *pod["containers"]]
    [container] = (each for each in everyone if each["name"] == "cache-sidecar")
    sidecar: Object = container
    return sidecar


def volumes_of(found: list[Object]) -> dict[str, Object]:
    """The pod's volumes by their names."""
    return {volume["name"]: volume for volume in pod_of(found)["volumes"] or []}


def flags_of(container: Object) -> dict[str, str]:
    """The flags with which the program is started."""
    assert container["args"][0] == "serve"
    return dict(argument.split("=", 1) for argument in container["args"][1:])


def config_map_of(found: list[Object]) -> Object:
    """The ConfigMap with the documents."""
    return one(found, "ConfigMap")
