"""A record of what L3 has missed that tells no longer what that was."""

from __future__ import annotations

from pathlib import Path

from sidecar.l3.folder import FOLDER
from sidecar.l3.record import RecordFile


def lose_record(data_dir: Path) -> None:
    """L3 has missed more than could be recorded."""
    record = RecordFile(data_dir / FOLDER)
    record.overflow()
    record.close()
