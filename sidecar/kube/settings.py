"""The command-line options for Kubernetes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EventChoice = Literal["none", "problems", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeSettings:
    """The ConfigMap to watch, and this pod's identity from the downward API."""

    namespace: str | None
    """The ConfigMap's namespace; None means the pod's own."""
    name: str
    pod_name: str | None = None
    pod_namespace: str | None = None
    pod_uid: str | None = None
    events: EventChoice = "problems"
