"""Texts that clients have sent to be run, by their SHA1."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Generic, TypeVar

from sidecar.resp.errors import RespError

MOST_LOADED = 1000
"""Texts that are remembered; each client sends a few."""
NO_SUCH_SCRIPT = "NOSCRIPT No matching script. Please use EVAL."
Meant = TypeVar("Meant")


class Loaded(Generic[Meant]):
    """What each text means that has been sent. The oldest is forgotten for a new one."""

    def __init__(self) -> None:
        self._loaded: dict[str, Meant] = {}

    def __len__(self) -> int:
        return len(self._loaded)

    def __contains__(self, digest: str) -> bool:
        return digest in self._loaded

    def load(self, text: bytes, read: Callable[[bytes], Meant]) -> tuple[str, Meant]:
        """Its SHA1, and what `read` says that it means, which may raise."""
        digest = hashlib.sha1(text, usedforsecurity=False).hexdigest()
        meant = self._loaded.get(digest)
        if meant is None:
            meant = read(text)
            if len(self._loaded) >= MOST_LOADED:
                del self._loaded[next(iter(self._loaded))]
            self._loaded[digest] = meant
        return digest, meant

    def find(self, digest: str) -> Meant:
        """Raises RespError."""
        meant = self._loaded.get(digest)
        if meant is None:
            raise RespError(NO_SUCH_SCRIPT)
        return meant

    def flush(self) -> None:
        """Forget all."""
        self._loaded.clear()
