"""Controls the faults below the sidecar, see `shim.c`."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

_CONTROL = struct.Struct("<iiiiq")
SOURCE = Path(__file__).with_name("shim.c")


class Shim:
    """Files below `folder` fail or are slow, and the clock is set, as soon as `set` is called."""

    def __init__(self, scratch: Path, folder: Path) -> None:
        self._control = scratch / "control"
        library = scratch / "shim.so"
        command = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        self.heal()
        self.environment = {
            "LD_PRELOAD": str(library),
            "CHAOS_CONTROL": str(self._control),
            "CHAOS_FOLDER": str(folder),
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

    def heal(self) -> None:
        """Nothing fails any more."""
        self.set()
