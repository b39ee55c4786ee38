"""A sidecar and a Redis for all tests of a file; `here` and `there` are empty for each test, and
`here` is in its process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.resp.servers import redis
from tests.resp.serving import Dialog, Served, connected, serving
from tests.running import RunningSidecar


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSidecar]:
    sidecar = RunningSidecar(tmp_path_factory.mktemp("data")).start()
    try:
        yield sidecar
    finally:
        sidecar.stop()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Redis."""
    folder: Path = tmp_path_factory.mktemp("redis")
    with redis(folder) as port:
        yield port


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A sidecar with the default configuration."""
    async with serving(tmp_path) as it:
        yield it


@pytest.fixture
async def here(served: Served) -> AsyncIterator[Dialog]:
    """A connection to it."""
    dialog = await served.connect()
    yield dialog
    await dialog.close()


@pytest.fixture
async def there(theirs: int) -> AsyncIterator[Dialog]:
    """A connection to the Redis, which is empty."""
    dialog = await connected(theirs)
    await dialog("flushall")
    await dialog("script", "flush")
    yield dialog
    await dialog.close()
