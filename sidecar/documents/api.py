"""The Kubernetes API where it is asked for: the ConfigMap to follow, and Events on our pod.

To import this is to load the official client.
"""

from __future__ import annotations

import random

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
    """Nothing is sent before its tasks run. The constructor raises CredentialsError.

    `events` writes them while it runs; None where none are made.
    """

    def __init__(self, settings: KubeSettings) -> None:
        own = settings.pod_namespace or namespace_of_pod()
        namespace = settings.namespace or own
        if namespace is None:
            raise CredentialsError("outside of a pod, write NAMESPACE/NAME")
        self._connection = Connection()
        self._namespace, self._name = namespace, settings.name
        self._every = settings.events == "all"
        self.events: EventWriter | None = None
        if settings.events != "none":
            if own and settings.pod_name and settings.pod_uid:
                pod = Pod(own, settings.pod_name, settings.pod_uid)
                rng = random.Random()  # noqa: S311  (jitter, no secret)
                self.events = EventWriter(self._connection, pod, rng=rng)
            else:
                log.info("No Events are made, since --pod-name and --pod-uid are not both given")

    def follower(self, documents: Documents) -> ConfigMapFollower:
        """What offers the content of the ConfigMap to `documents`."""
        return ConfigMapFollower(documents, self._connection, self._namespace, self._name)

    def announce(self, announcement: Announcement) -> None:
        """Make an Event of it, if it is one of those that are wanted."""
        if self.events is not None and (announcement.problem or self._every):
            self.events.put(announcement)

    async def close(self) -> None:
        await self._connection.close()
