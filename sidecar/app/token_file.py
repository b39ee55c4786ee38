"""Follows the file of the token, so that it can be replaced without a restart.

Whatever happens to the file, the token that was read last stays in force until there is another:
else a mistake would lock every client out, or let everybody in.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from sidecar.serving.token import Token, TokenFileError, read_token

INTERVAL_SECONDS = 1.0
QUIET_SECONDS = 0.2
"""How long the content has to stay as it is before it counts: a file may be written in steps."""

Look = bytes | str
"""The token, or the reason why there is none."""

log = structlog.get_logger("sidecar.app")


class TokenFile:
    """A file, and the token that it is the source of."""

    def __init__(self, path: Path, token: Token) -> None:
        self._path = path
        self._token = token
        self._trouble: str | None = None

    def notes(self) -> list[str]:
        """What is wrong with the file, for `/readyz`."""
        if self._trouble is None:
            return []
        return [f"The token file can't be used, and the last token stays: {self._trouble}."]

    async def follow(self) -> None:
        """Put in force what the file holds, as long as this runs.

        A thread of its own reads it, since a volume may hang. It is not waited for at the end, and
        does not keep the process from its end.
        """
        loop = asyncio.get_running_loop()
        looks: asyncio.Queue[Look | Exception] = asyncio.Queue()
        stop = threading.Event()

        def tell(look: Look | Exception) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(looks.put_nowait, look)

        def run() -> None:
            try:
                _watch(self._path, stop, tell)
            except Exception as error:  # noqa: BLE001  (the boundary of the thread: raised below)
                tell(error)

        threading.Thread(target=run, name="token-file", daemon=True).start()
        try:
            while True:
                look = await looks.get()
                if isinstance(look, Exception):
                    raise look
                self._take(look)
        finally:
            stop.set()

    def _take(self, look: Look) -> None:
        if isinstance(look, str):
            self._trouble = look
            log.error("Token file unusable; the last token stays in force", reason=look)
            return
        if self._trouble is not None:
            self._trouble = None
            log.info("Token file usable again", file=str(self._path))
        if not self._token.matches(look):
            self._token.replace(look)
            log.info("Token replaced", file=str(self._path))


def _watch(path: Path, stop: threading.Event, tell: Callable[[Look], None]) -> None:
    """Tell what is in the file, and whenever that has changed."""
    last: Look | None = None
    while not stop.wait(INTERVAL_SECONDS):
        look = _look(path)
        if look != last and not stop.wait(QUIET_SECONDS) and look == _look(path):
            last = look
            tell(look)


def _look(path: Path) -> Look:
    try:
        return read_token(path)
    except TokenFileError as error:
        return str(error)
