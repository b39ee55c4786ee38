"""A server that keeps failing gets at most one request per second, after the first ten."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kube.apiserver import ApiServer
from tests.kube.conftest import Watch, document, until
from tests.kube.threaded import NAME, NAMESPACE

MISBEHAVIOURS: dict[str, dict[str, Any]] = {
    "ends every watch at once": {"end_watches": True},
    "answers a list with 500": {"statuses": {"list": 500}},
    "answers a watch with 500": {"statuses": {"watch": 500}},
    "answers a list with 403": {"statuses": {"list": 403}},
    "answers a watch with 403": {"statuses": {"watch": 403}},
    "answers a list with 410": {"statuses": {"list": 410}},
    "answers a watch with 410": {"statuses": {"watch": 410}},
    "forgets every version": {"forgetful": True},
    "refuses every token": {"tokens": ["none"]},
    "never answers": {"frozen": True},
    "breaks off every watch": {"break_watches": True},
}
LONG_SECONDS = 900.0
FIRST_SECONDS = 10.0


@pytest.mark.parametrize("misbehaviour", MISBEHAVIOURS)
async def test_a_misbehaving_server_is_left_in_peace(
    server: ApiServer, watch: Watch, misbehaviour: str
) -> None:
    """A quarter of an hour of failures, in waits that take no time."""
    server.configmaps.put(NAMESPACE, NAME, document(1))
    for name, value in MISBEHAVIOURS[misbehaviour].items():
        setattr(server.faults, name, value)
    watching = watch(silence_seconds=0.02)
    start = watching.now()
    await until(lambda: watching.now() - start > FIRST_SECONDS)
    before = len(server.requests)
    await until(lambda: watching.now() - start > LONG_SECONDS)
    assert 0 < len(server.requests) - before <= LONG_SECONDS - FIRST_SECONDS
    assert len(server.requests) - before >= LONG_SECONDS / 100, "it has not given up"


async def test_once_it_is_well_again_it_is_watched_as_before(
    server: ApiServer, watch: Watch
) -> None:
    """After a quarter of an hour of failures."""
    server.configmaps.put(NAMESPACE, NAME, document(1))
    server.faults.statuses = {"list": 500}
    watching = watch()
    start = watching.now()
    await until(lambda: watching.now() - start > LONG_SECONDS)
    server.faults.statuses = {}
    assert await watching.texts() == document(1)["data"]
    server.configmaps.put(NAMESPACE, NAME, document(2))
    assert await watching.texts() == document(2)["data"]
