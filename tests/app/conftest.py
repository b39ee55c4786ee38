"""A running sidecar whose knobs a test can turn."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sidecar.app.sidecar import Sidecar
from tests.http.serving import running_sidecar


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Sidecar]:
    """A sidecar with real sockets, and RocksDB in its child process."""
    async with running_sidecar(tmp_path) as sidecar:
        yield sidecar


@pytest.fixture(autouse=True)
def own_collector() -> Iterator[None]:
    """The settings of this process's garbage collector are restored after the test."""
    thresholds = gc.get_threshold()
    yield
    gc.freeze()
    gc.set_threshold(*thresholds)
