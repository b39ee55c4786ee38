"""A real pseudo-terminal with a command on it, and what a person would see there."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pyte

from tests.running import PATIENCE_SECONDS, wait_until


@dataclass
class Terminal:
    """One that a command runs on. `written` is all that it has written so far."""

    keyboard: int
    """The end of the person."""
    line: int
    """The end of the command."""
    process: subprocess.Popen[bytes]
    screen: pyte.Screen
    written: bytes = b""
    _stream: pyte.ByteStream = field(init=False)

    def __post_init__(self) -> None:
        self._stream = pyte.ByteStream(self.screen)

    @property
    def text(self) -> str:
        """What stands on the screen now."""
        self._read()
        return "\n".join(line.rstrip() for line in self.screen.display)

    def colours_of(self, sign: str) -> list[str]:
        """The colours of that character, wherever it stands."""
        cells = (cell for row in self.screen.buffer.values() for cell in row.values())
        return [cell.fg for cell in cells if cell.data == sign]

    def shows(self, *parts: str) -> None:
        """Wait for all of that."""
        wait_until(lambda: all(part in self.text for part in parts), f"{parts} are shown")

    def press(self, keys: str) -> None:
        os.write(self.keyboard, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """As a person does it with a mouse: the kernel tells the command. All is to be redrawn."""
        self._read()
        self.screen.resize(rows, columns)
        self.screen.reset()
        fcntl.ioctl(self.keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def status(self) -> int:
        """That with which it ends."""

        def ended() -> bool:
            self._read()
            return self.process.poll() is not None

        wait_until(ended, "the command has ended")
        self._read()
        assert self.process.returncode is not None
        return self.process.returncode

    def _read(self) -> None:
        while select.select([self.keyboard], [], [], 0)[0]:
            piece = os.read(self.keyboard, 1 << 16)
            self.written += piece
            self._stream.feed(piece)


@contextmanager
def terminal(
    *arguments: str, columns: int = 80, rows: int = 24, **environment: str
) -> Iterator[Terminal]:
    """`cache-sidecar` with these arguments on a terminal of its own."""
    keyboard, line = os.openpty()
    fcntl.ioctl(keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"NO_COLOR", "COLUMNS", "LINES", "COLORTERM", "FORCE_COLOR"}
    }
    process = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-m", "sidecar", *arguments],  # Ctrl-C reaches it then
        stdin=line,
        stdout=line,
        stderr=line,
        env={**inherited, "TERM": "xterm-256color", **environment},
    )
    try:
        yield Terminal(keyboard, line, process, pyte.Screen(columns, rows))
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait(PATIENCE_SECONDS)
        os.close(line)
        os.close(keyboard)
