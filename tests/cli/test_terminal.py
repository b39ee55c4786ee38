"""The full screen on a terminal that is closed beforehand: every call to it fails."""

from __future__ import annotations

import asyncio
import io
import os

import pytest
from rich.console import Console

from sidecar.cli.terminal import Canvas


@pytest.mark.parametrize("has_keyboard", [True, False])
async def test_a_closed_terminal_ends_it(
    monkeypatch: pytest.MonkeyPatch, *, has_keyboard: bool
) -> None:
    """Whatever it was about to do: taking the terminal over, drawing, or giving it back."""
    person, line = os.openpty()
    with io.TextIOWrapper(io.FileIO(line, "r+"), write_through=True) as file:
        monkeypatch.setattr("sys.stdin", file if has_keyboard else None)
        stopped = asyncio.Event()
        canvas = Canvas(Console(file=file, force_terminal=True), "content", stopped.set)
        os.close(person)
        with canvas.shown():
            assert stopped.is_set()
