"""Follows a folder: a mounted ConfigMap, or a local one during development."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from pathlib import Path

import structlog

from sidecar.config.errors import UnreadableFolderError
from sidecar.documents import folder
from sidecar.documents.documents import Documents

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


async def follow(documents: Documents, path: Path, *, leading: bool) -> None:
    """Offer the folder's document whenever it changes, until the API leads.

    `leading` if the folder is the only source, so that reading it counts as contact.
    """

    def on_contact() -> None:
        if leading:
            documents.heard()

    watch = folder.watch(path, on_unreadable=partial(_refuse, documents), on_contact=on_contact)
    async with aclosing(watch) as looks:
        async for texts in looks:
            if documents.led_by_api:
                return
            await documents.offer(texts, "folder")
