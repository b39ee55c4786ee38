"""Following a folder: a mounted ConfigMap, or one's own while developing."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

from sidecar.config.errors import UnreadableFolderError
from sidecar.documents import folder
from sidecar.documents.documents import Documents


async def start_with(documents: Documents, path: Path) -> None:
    """Take what the folder says now, if it is good. Raises UnreadableFolderError."""
    await documents.offer(await asyncio.to_thread(folder.read, path), "folder")


async def follow(documents: Documents, path: Path, *, leading: bool) -> None:
    """Take the folder's document whenever it changes, until the API leads.

    `leading` where the folder is the only source, so that contact with it is what counts.
    """

    def on_unreadable(error: UnreadableFolderError) -> None:
        if not documents.led_by_api:
            documents.refuse([error], "folder")
            folder.log_unreadable(error)

    def on_contact() -> None:
        if leading:
            documents.heard()

    watch = folder.watch(path, on_unreadable=on_unreadable, on_contact=on_contact)
    async with aclosing(watch) as looks:
        async for texts in looks:
            if documents.led_by_api:
                return
            await documents.offer(texts, "folder")
