"""A sidecar inside the test's event loop, and warmers over its store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from sidecar.app.sidecar import Sidecar
from tests.http.serving import running_sidecar
from tests.warmers.warming import Warming


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop that `serve` runs."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Sidecar]:
    async with running_sidecar(tmp_path) as sidecar:
        yield sidecar


@pytest.fixture
async def warming(live: Sidecar, tmp_path: Path) -> AsyncIterator[Warming]:
    folder = tmp_path / "exports"
    folder.mkdir()
    warming = Warming(live, folder)
    yield warming
    await warming.warmers.close()
