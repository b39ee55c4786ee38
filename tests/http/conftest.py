"""One sidecar for all tests of a module that only need their keys to be absent."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.conftest import StartSidecar
from tests.running import RunningSidecar


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSidecar]:
    sidecar = RunningSidecar(tmp_path_factory.mktemp("shared") / "data").start()
    yield sidecar
    sidecar.stop()


@pytest.fixture
def sidecar(running: RunningSidecar) -> RunningSidecar:
    """A running sidecar without entries."""
    for namespace in ("test", "t", "other"):
        body = json.dumps({"namespace": namespace, "all": True}).encode()
        assert running.ask("POST", "/v1/invalidate", body).status == 204
    return running


@pytest.fixture
def own_sidecar(start_sidecar: StartSidecar) -> RunningSidecar:
    """One that has counted nothing, and that may be killed."""
    return start_sidecar()
