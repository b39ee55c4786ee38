"""A terminal with a screen on it: single keys, its size, and all as it was afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console, ConsoleDimensions, RenderableType
from rich.live import Live

_USUAL_SIZE = (80, 24)


class Canvas:
    """The alternate screen of a terminal. It is drawn over and never cleared: nothing flickers.

    `stop` is called for the key q, and when there is nobody left who could press it.
    """

    def __init__(
        self, console: Console, content: RenderableType, stop: Callable[[], object]
    ) -> None:
        self._console = console
        self._content = content
        self._stop = stop
        self._output = console.file.fileno()
        self._keyboard = sys.stdin.fileno() if sys.stdin and sys.stdin.isatty() else None
        self._live = Live(
            console=console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Take the terminal, and give it back however this ends."""
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
        """Draw the content as it is now, to the size that the terminal has now."""
        try:
            size = os.get_terminal_size(self._output)
            if not all(size):  # that of `kubectl exec`, before its client has sent one
                size = os.terminal_size(_USUAL_SIZE)
            self._console.size = ConsoleDimensions(*size)
            self._live.update(self._content, refresh=True)
        except OSError:  # the terminal is gone, and who had it
            self._stop()

    def _on_key(self) -> None:
        assert self._keyboard is not None  # noqa: S101
        try:
            pressed = os.read(self._keyboard, 1024)
        except OSError:
            pressed = b""
        is_sequence = pressed.startswith(b"\x1b")  # an arrow, say
        if not pressed or (b"q" in pressed.lower() and not is_sequence):
            self._stop()

    def _suspend(self) -> None:
        """Ctrl-Z: leave the terminal to the shell until it says `fg`."""
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()
        self.draw()

    def _take(self) -> None:
        """Have keys at once and without an echo; Ctrl-C and Ctrl-Z stay signals."""
        if self._keyboard is not None:
            self._usual_keys = termios.tcgetattr(self._keyboard)
            tty.setcbreak(self._keyboard)
            # Else Ctrl-C drops the keys before it, and who was just told of them reads for ever.
            modes = termios.tcgetattr(self._keyboard)
            modes[tty.LFLAG] |= termios.NOFLSH
            termios.tcsetattr(self._keyboard, termios.TCSADRAIN, modes)
        self._live.start()

    def _give_back(self) -> None:
        with suppress(OSError, termios.error):  # there may be nothing left to give back
            self._live.stop()
            if self._keyboard is not None:
                termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._usual_keys)
