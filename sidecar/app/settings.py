"""The settings of the process: what needs a restart."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sidecar.kube.settings import KubeSettings
from sidecar.warmers.reach import Reach


class StartError(Exception):
    """The sidecar can't start; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of the flags of `serve`. Binds are (host, port)."""

    data_bind: tuple[str, int]
    data_socket: Path | None
    ops_bind: tuple[str, int]
    data_dir: Path
    data_limit: int | None
    linger_seconds: float
    config: Path | None
    kube: KubeSettings | None = None
    data_socket_mode: int = 0o660
    resp_bind: tuple[str, int] | None = None
    resp_bind_is_stated: bool = True
    """A default port that is taken is skipped; one that is stated is an error."""
    resp_socket: Path | None = None
    token_file: Path | None = None
    reach: Reach = field(default_factory=Reach)
    """What the configuration may name of the network and of the file system."""
