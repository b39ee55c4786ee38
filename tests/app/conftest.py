"""A running sidecar whose knobs a test turns."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sidecar.app.sidecar import Sidecar
from tests.http.serving import running_sidecar


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Sidecar]:
    """With real sockets, and RocksDB in its child process."""
    async with running_sidecar(tmp_path) as sidecar:
        yield sidecar


@pytest.fixture(autouse=True)
def own_collector() -> Iterator[None]:
    """The collector is this process's own: it is left as it was found."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
