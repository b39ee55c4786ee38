"""Controls the faults below the sidecar, see `shim.c`."""

from __future__ import annotations

import os
import struct
import subprocess
import uuid
from pathlib import Path

_CONTROL = struct.Struct("<iiiiq")
SOURCE = Path(__file__).with_name("shim.c")


class Shim:
    """Files below `folder` fail or are slow, and the clock is set, as soon as `set` is called."""

    def __init__(self, scratch: Path, folder: Path) -> None:
        self._control = scratch / "control"
        self._synced, self._boot = scratch / "synced", scratch / "boot"
        self._folder = folder
        library = scratch / "shim.so"
        command = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        self.heal()
        self._boot_anew()
        self.environment = {
            "LD_PRELOAD": str(library),
            "CHAOS_CONTROL": str(self._control),
            "CHAOS_FOLDER": str(folder),
            "CHAOS_SYNCED": str(self._synced),
            "CHAOS_BOOT": str(self._boot),
        }

    def set(
        self,
        *,
        write_error: int = 0,
        read_error: int = 0,
        delay_ms: int = 0,
        clock_seconds: int = 0,
    ) -> None:
        """Let this be in force, and nothing else. Errors are numbers of `errno`."""
        data = _CONTROL.pack(write_error, read_error, delay_ms, 0, clock_seconds)
        if self._control.exists():
            with self._control.open("r+b") as stream:  # it is mapped
                stream.write(data)
        else:
            self._control.write_bytes(data)

    def cut_power(self) -> None:
        """Take from all files what was not fsynced, and let there be another boot. Nobody may have
        them open. What was written in place is kept, as the kernel may have written it back.
        """
        lines = self._synced.read_text().splitlines()
        sizes = {int(inode): int(size) for inode, size in map(str.split, lines)}
        for file in self._folder.rglob("*"):
            if file.is_file() and file.name != "LOCK":
                info = file.stat()
                os.truncate(file, min(info.st_size, sizes.get(info.st_ino, 0)))
        self._synced.unlink()
        self._boot_anew()
        for file in self._folder.rglob("*"):  # all of them are on the disk now
            if file.is_file():
                with self._synced.open("a") as stream:
                    stream.write(f"{file.stat().st_ino} {file.stat().st_size}\n")

    def _boot_anew(self) -> None:
        self._boot.write_text(f"{uuid.uuid4()}\n")

    def heal(self) -> None:
        """Nothing fails any more."""
        self.set()
