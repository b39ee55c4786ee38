"""What the flags of the sidecar let a warmer reach. A ConfigMap alone is not trusted with that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sidecar.origins.allowed import Allowed

FOLDER_FLAG = "--warm-dir"


@dataclass(frozen=True, slots=True)
class Reach:
    """URLs below these prefixes, or those of loopback if there is none; files in this folder."""

    prefixes: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def allowed(self) -> Allowed:
        """Raises ValueError for a prefix that is none."""
        return Allowed(self.prefixes)
