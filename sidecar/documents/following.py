"""Follows a folder: a mounted ConfigMap, or a local one during development.

An editor or a copy may leave a file missing, empty, or with its first comments only for a moment,
which would bring the defaults into force and evict most entries. So in a folder that is not swapped
as a whole, such a file counts only when it has been so for a while. What was asked for (a start,
SIGHUP) counts at once.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from functools import partial
from pathlib import Path

import structlog

from sidecar.config.errors import UnreadableFolderError
from sidecar.documents import folder
from sidecar.documents.documents import Documents
from sidecar.model.clock import Clock

ABSENCE_SECONDS = 60.0
"""How long a file has to be empty or missing before that counts."""

_MARKS = ("", "---", "...")

log = structlog.get_logger("sidecar.config")


async def start_with(documents: Documents, path: Path) -> None:
    """Offer the folder's current document. Raises UnreadableFolderError."""
    await documents.offer(await asyncio.to_thread(folder.read, path), "folder")


async def read_again(documents: Documents, path: Path) -> None:
    """Offer the folder's document now, without waiting until it is seen to change."""
    log.info("Reloading the configuration", folder=str(path))
    try:
        await start_with(documents, path)
    except UnreadableFolderError as error:
        _refuse(documents, error)


def _refuse(documents: Documents, error: UnreadableFolderError) -> None:
    if not documents.led_by_api:
        documents.refuse([error], "folder")
        folder.log_unreadable(error)


async def follow(
    documents: Documents,
    path: Path,
    *,
    leading: bool,
    clock: Clock = time.monotonic,
    interval_seconds: float = folder.INTERVAL_SECONDS,
) -> None:
    """Offer the folder's document whenever it changes, until the API leads.

    `leading` if the folder is the only source, so that reading it counts as contact. `clock` is
    monotonic.
    """

    def on_contact() -> None:
        if leading:
            documents.heard()

    watch = folder.watch(
        path,
        interval_seconds=interval_seconds,
        on_unreadable=partial(_refuse, documents),
        on_contact=on_contact,
        counts=_Patience(documents, path, clock).counts,
    )
    async with aclosing(watch) as looks:
        async for texts in looks:
            if documents.led_by_api:
                return
            await documents.offer(texts, "folder")


class _Patience:
    """Decides whether texts count, by how long those of the document in force have been missing."""

    def __init__(self, documents: Documents, path: Path, clock: Clock) -> None:
        self._documents = documents
        self._path = path
        self._clock = clock
        self._since: dict[str, float] = {}
        """When each file was first seen to be empty or missing."""

    def counts(self, texts: folder.Texts) -> bool:
        """Whether no file is waited for; the documents are told which ones are."""
        absent: list[str] = []
        if not self._documents.led_by_api and not folder.is_swapped(self._path):
            in_force = self._documents.document.texts
            absent = [
                key
                for key, text in in_force.items()
                if _states_something(text) and not _states_something(texts.get(key, ""))
            ]
        now = self._clock()
        self._since = {key: self._since.get(key, now) for key in absent}
        awaited = [key for key, since in self._since.items() if now - since < ABSENCE_SECONDS]
        self._documents.wait_for(awaited)
        return not awaited


def _states_something(text: str) -> bool:
    """Whether a text has more than comments and marks of its begin and end."""
    lines = (line.strip() for line in text.removeprefix("\ufeff").split("\n"))
    return any(line not in _MARKS and not line.startswith("#") for line in lines)
