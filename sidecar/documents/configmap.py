"""Follows a ConfigMap through the API, and offers its documents."""

from __future__ import annotations

import random
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

import structlog

from sidecar.config.errors import InvalidDocument
from sidecar.config.values import DOCUMENT_KEYS
from sidecar.documents.documents import Documents
from sidecar.kube.configmap import ConfigMap
from sidecar.kube.source import Source
from sidecar.kube.trouble import Trouble

if TYPE_CHECKING:
    from sidecar.kube.connection import Connection  # it loads the official client

log = structlog.get_logger("sidecar.app")


class ConfigMapFollower:
    """Waits for a ConfigMap that does not exist. If it is deleted, its last document stays."""

    def __init__(
        self, documents: Documents, connection: Connection, namespace: str, name: str
    ) -> None:
        self._documents = documents
        documents.expect()
        self._name = f"{namespace}/{name}"
        self._source = Source(
            connection,
            namespace,
            name,
            on_contact=self._on_contact,
            on_trouble=self._on_trouble,
            rng=random.Random(),  # noqa: S311  (jitter, no secret)
        )
        self._heard_at = 0.0
        self._seen: tuple[object, ...] = ()
        self._trouble: str | None = "The API server has not answered yet."
        self._remarks: list[str] = []

    async def run(self) -> None:
        """Until cancelled."""
        async with aclosing(self._source.sightings()) as sightings:
            async for sighting in sightings:
                if sighting is None:
                    await self._on_missing()
                else:
                    await self._on_found(sighting)

    def notes(self) -> list[str]:
        """The current problems, as sentences."""
        return [*([self._trouble] if self._trouble else []), *self._remarks]

    async def _on_found(self, configmap: ConfigMap) -> None:
        # Not by version: every change of an annotation has a new one, and an etcd that was restored
        # from a backup gives the same ones again.
        seen, self._seen = self._seen, configmap.content()
        if seen == self._seen:
            return
        self._documents.led_by_api = True
        self._remark(_remarks(self._name, configmap))
        try:
            texts = configmap.texts()
        except InvalidDocument as error:
            self._documents.refuse(error.errors, "api")
        else:
            await self._documents.offer(texts, "api", heard_at=self._heard_at)

    async def _on_missing(self) -> None:
        self._seen = ()
        if self._documents.led_by_api:
            self._remark([f"ConfigMap {self._name} was deleted; its last document stays in force."])
            return
        self._remark([f"ConfigMap {self._name} does not exist; waiting for it to be created."])
        # The volume's document was in force until the server answered, or since the folder's was
        # rejected.
        if self._documents.source == "volume" and not self._documents.rejected:
            await self._documents.offer({}, "defaults")

    def _remark(self, remarks: list[str]) -> None:
        """Log each remark once, until it no longer holds."""
        for remark in remarks:
            if remark not in self._remarks:
                log.warning(remark)
        self._remarks = remarks

    def _on_contact(self) -> None:
        self._heard_at = time.monotonic()
        self._documents.heard()
        if self._trouble is not None:
            log.info("API server reachable again", configmap=self._name)
        self._trouble = None

    def _on_trouble(self, trouble: Trouble) -> None:
        if str(trouble) != self._trouble:
            log.warning("ConfigMap watch failed", configmap=self._name, why=str(trouble))
        self._trouble = str(trouble)


def _remarks(name: str, configmap: ConfigMap) -> list[str]:
    remarks = []
    others = configmap.other_keys()
    if others:
        remarks.append(f"ConfigMap {name} has unknown keys, ignored: {', '.join(others)}.")
    if not configmap.all_keys() - set(others):
        keys = ", ".join(DOCUMENT_KEYS)
        remarks.append(f"ConfigMap {name} has none of {keys}; the defaults are in force.")
    return remarks
