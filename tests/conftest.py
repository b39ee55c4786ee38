"""Fixtures that many tests share."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.running import RunningSidecar

# The suites there explain their failures as tests do.
pytest.register_assert_rewrite("sidecar.testing")

StartSidecar = Callable[..., RunningSidecar]


@pytest.fixture(scope="module", autouse=True)
def frozen_heap() -> None:
    """Exclude what is loaded from garbage collections: a full one would take up to 0.4 s by the end
    of the run, and many tests force one to free RocksDB's lock.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def start_sidecar(tmp_path: Path) -> Iterator[StartSidecar]:
    """Starts sidecars, by default on a folder of this test, and ends them after it."""
    started: list[RunningSidecar] = []

    def start(
        *flags: str,
        data_dir: Path | None = None,
        wrapper: tuple[str, ...] = (),
        **environment: str,
    ) -> RunningSidecar:
        sidecar = RunningSidecar(data_dir or tmp_path / "data", flags, environment, wrapper)
        started.append(sidecar)
        return sidecar.start()

    yield start
    for sidecar in started:
        sidecar.stop()


@pytest.fixture
def sidecar(start_sidecar: StartSidecar) -> RunningSidecar:
    """A running sidecar with the defaults."""
    return start_sidecar()
