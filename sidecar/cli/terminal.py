"""A full-screen terminal: single keys, its size, and its state restored afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleDimensions, RenderableType
from rich.live import Live

_USUAL_SIZE = (80, 24)


class Canvas:
    """The alternate screen of a terminal. It is overwritten and never cleared, to avoid flicker.

    `stop` is called for the key q, and when the terminal is closed.
    """

    def __init__(
        self, console: Console, content: RenderableType, stop: Callable[[], object]
    ) -> None:
        self._console = console
        self._content = content
        self._stop = stop
        self._output = console.file.fileno()
        self._keyboard = sys.stdin.fileno() if sys.stdin and sys.stdin.isatty() else None
        self._usual_keys: list[Any] | None = None
        self._is_live = False
        self._live = Live(
            console=console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Take over the terminal, and restore it in any case."""
        loop = asyncio.get_running_loop()
        self._take()
        loop.add_signal_handler(signal.SIGWINCH, self.draw)
        loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        if self._keyboard is not None:
            loop.add_reader(self._keyboard, self._on_key)
        try:
            self.draw()
            yield
        finally:
            if self._keyboard is not None:
                loop.remove_reader(self._keyboard)
            loop.remove_signal_handler(signal.SIGTSTP)
            loop.remove_signal_handler(signal.SIGWINCH)
            self._give_back()

    def draw(self) -> None:
        """Draw the current content in the current size of the terminal."""
        with self._stop_if_closed():
            size = os.get_terminal_size(self._output)
            if not all(size):  # the size under `kubectl exec`, before its client has sent one
                size = os.terminal_size(_USUAL_SIZE)
            self._console.size = ConsoleDimensions(*size)
            self._live.update(self._content, refresh=True)

    def _on_key(self) -> None:
        assert self._keyboard is not None  # noqa: S101
        try:
            pressed = os.read(self._keyboard, 1024)
        except OSError:
            pressed = b""
        is_sequence = pressed.startswith(b"\x1b")  # an arrow key, for example
        if not pressed or (b"q" in pressed.lower() and not is_sequence):
            self._stop()

    def _suspend(self) -> None:
        """Ctrl-Z: return the terminal to the shell until `fg`."""
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()
        self.draw()

    def _take(self) -> None:
        """Read single keys without echo; Ctrl-C and Ctrl-Z remain signals."""
        with self._stop_if_closed():
            if self._keyboard is not None:
                self._usual_keys = termios.tcgetattr(self._keyboard)
                tty.setcbreak(self._keyboard)
                # Otherwise Ctrl-C discards the keys before it, and a pending read blocks forever.
                modes = termios.tcgetattr(self._keyboard)
                modes[tty.LFLAG] |= termios.NOFLSH
                termios.tcsetattr(self._keyboard, termios.TCSADRAIN, modes)
            self._live.start()
            self._is_live = True

    def _give_back(self) -> None:
        with self._stop_if_closed():
            if self._keyboard is not None and self._usual_keys is not None:
                termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._usual_keys)
        with self._stop_if_closed():
            if self._is_live:  # rich can't stop what failed to start
                self._is_live = False
                self._live.stop()

    @contextmanager
    def _stop_if_closed(self) -> Iterator[None]:
        """The terminal can be closed at any moment, and every call to it then fails."""
        try:
            yield
        except (OSError, termios.error):
            self._stop()
