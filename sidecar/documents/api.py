"""The use of the Kubernetes API: the watched ConfigMap, and Events for this pod.

Importing this module loads the official client, so it is imported only with --configmap.
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
    """Sends no request before its tasks run. The constructor raises CredentialsError.

    `events` writes them while it runs; None where none are made.
    """

    def __init__(self, settings: KubeSettings) -> None:
        own = settings.pod_namespace or namespace_of_pod()
        namespace = settings.namespace or own
        if namespace is None:
            raise CredentialsError("outside of a pod, set --configmap to NAMESPACE/NAME")
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
                log.info("Events are disabled, since --pod-name and --pod-uid are not both set")

    def follower(self, documents: Documents) -> ConfigMapFollower:
        """Follows the ConfigMap and offers its content to `documents`."""
        return ConfigMapFollower(documents, self._connection, self._namespace, self._name)

    def announce(self, announcement: Announcement) -> None:
        """Create an Event, if --events includes it."""
        if self.events is not None and (announcement.problem or self._every):
            self.events.put(announcement)

    async def close(self) -> None:
        await self._connection.close()
