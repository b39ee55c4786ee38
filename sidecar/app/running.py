"""Runs the process from its start to its end, and handles signals."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import structlog

from sidecar.app.settings import Settings
from sidecar.app.sidecar import prepare
from sidecar.app.tasks import unless_hurried
from sidecar.catalogue import CATALOGUE, Catalogue
from sidecar.process.descriptors import allow_many_files
from sidecar.process.runtime import Runtime
from sidecar.tiers.memory import MMAP_THRESHOLD_BYTES

log = structlog.get_logger("sidecar.app")


async def run(
    settings: Settings, on_started: Callable[[], None], catalogue: Catalogue = CATALOGUE
) -> None:
    """Serve until SIGTERM or SIGINT; a second one cuts the stop short. SIGHUP reloads the folder of
    the configuration. Raises StartError.
    """
    runtime = Runtime()
    allow_many_files()
    runtime.begin(mmap_threshold_bytes=MMAP_THRESHOLD_BYTES)
    loop = asyncio.get_running_loop()
    asked, hurry, changed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (hurry if asked.is_set() else asked).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    loop.add_signal_handler(signal.SIGHUP, changed.set)
    sidecar = await prepare(settings, runtime, catalogue)
    try:
        await sidecar.start()
        loop.add_signal_handler(signal.SIGHUP, sidecar.reload)
        if changed.is_set():  # maybe after the start has read the folder
            sidecar.reload()
        runtime.freeze()
        on_started()
        await asked.wait()
        sidecar.begin_stopping()
        log.info("Stopping", linger_seconds=settings.linger_seconds)
        await unless_hurried(hurry, asyncio.sleep(settings.linger_seconds))
    finally:
        await sidecar.stop(hurry=hurry)
