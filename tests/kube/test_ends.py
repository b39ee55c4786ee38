"""Watches that end without a failure: all at once, or each in its time."""

from __future__ import annotations

import pytest

from sidecar.kube.backoff import FIRST_SECONDS
from tests.kube.apiserver import ApiServer
from tests.kube.conftest import Watch, Watching, document, until
from tests.kube.threaded import NAME, NAMESPACE


async def test_pods_whose_watches_the_server_ends_early_are_spread(
    server: ApiServer, watching: Watching
) -> None:
    """A server that is told to end does so with all watches at once, cleanly."""
    for number in (2, 3, 4):
        await until(lambda: len(server.watches))
        server.watches.end()
        server.configmaps.put(NAMESPACE, NAME, document(number))
        assert await watching.texts() == document(number)["data"]
    assert max(watching.waits) > 4
    assert watching.troubles == []


async def test_after_the_time_that_was_asked_for_a_watch_is_not_waited_for(
    server: ApiServer, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watches of the pods have different times."""
    monkeypatch.setattr("sidecar.kube.source.SHORTEST_WATCH_SECONDS", 1)
    monkeypatch.setattr("sidecar.kube.source.LONGEST_WATCH_SECONDS", 1)
    server.configmaps.put(NAMESPACE, NAME, document(1))
    watching = watch()
    await until(lambda: watching.waits)
    assert watching.waits[0] <= FIRST_SECONDS
