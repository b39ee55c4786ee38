"""The Kubernetes API where it is asked for: the ConfigMap that is followed, and Events on our pod.

To import this is to load the official client.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import structlog

from sidecar.documents.configmap import ConfigMapFollower
from sidecar.documents.documents import Documents
from sidecar.kube.connection import Connection, namespace_of_pod
from sidecar.kube.events import EventWriter, Pod
from sidecar.kube.settings import KubeSettings
from sidecar.kube.trouble import CredentialsError
from sidecar.model.announcement import Announcement

log = structlog.get_logger("sidecar.kube")


class Api:
    """Nothing is sent before its tasks run. The constructor raises CredentialsError."""

    def __init__(self, settings: KubeSettings, documents: Documents) -> None:
        own = settings.pod_namespace or namespace_of_pod()
        namespace = settings.namespace or own
        if namespace is None:
            raise CredentialsError("outside of a pod, write NAMESPACE/NAME")
        self._connection = Connection()
        self._follower = ConfigMapFollower(documents, self._connection, namespace, settings.name)
        self._every = settings.events == "all"
        self._events: EventWriter | None = None
        if settings.events != "none":
            if own and settings.pod_name and settings.pod_uid:
                pod = Pod(own, settings.pod_name, settings.pod_uid)
                rng = random.Random()  # noqa: S311  (jitter, no secret)
                self._events = EventWriter(self._connection, pod, rng=rng)
            else:
                log.info("No Events are made, since --pod-name and --pod-uid are not both given")

    @property
    def tasks(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What is to be kept running, by name."""
        tasks: dict[str, Callable[[], Awaitable[None]]] = {"configmap": self._follower.run}
        if self._events is not None:
            tasks["events"] = self._events.run
        return tasks

    def tell(self, happening: Announcement) -> None:
        """Make an Event of it, if it is one of those that are wanted."""
        if self._events is not None and (happening.problem or self._every):
            self._events.put(happening)

    def notes(self) -> list[str]:
        """What is not as it should be, in sentences."""
        return self._follower.notes()

    async def close(self) -> None:
        await self._connection.close()
