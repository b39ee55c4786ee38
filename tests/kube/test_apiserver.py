"""The test's API server, checked with the official client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from kubernetes.aio import client, watch

from tests.kube.apiserver import ApiServer
from tests.kube.conftest import PATIENCE_SECONDS, document
from tests.kube.threaded import NAME, NAMESPACE

SELECTOR = f"metadata.name={NAME}"


@pytest.fixture
async def official(server: ApiServer) -> AsyncIterator[client.ApiClient]:
    configuration = client.Configuration(host=server.url)
    configuration.api_key["BearerToken"] = "Bearer good"
    async with client.ApiClient(configuration) as opened:
        yield opened


async def seen(
    official: client.ApiClient, version: str, count: int, **options: Any
) -> list[tuple[str, str]]:
    """Type and version of this many events of a watch; fewer if it ends."""
    events: list[tuple[str, str]] = []
    core = client.CoreV1Api(official)
    watching = watch.Watch()
    async with asyncio.timeout(PATIENCE_SECONDS), watching:
        async for event in watching.stream(
            core.list_namespaced_config_map,
            NAMESPACE,
            field_selector=SELECTOR,
            resource_version=version,
            **options,
        ):
            events.append((event["type"], event["raw_object"]["metadata"]["resourceVersion"]))
            if len(events) == count:
                break
    return events


async def test_a_list_is_one_to_it(server: ApiServer, official: client.ApiClient) -> None:
    """With the field selector, and a version of the list."""
    server.configmaps.put(NAMESPACE, NAME, document(1))
    server.configmaps.put(NAMESPACE, "other", document(2))
    core = client.CoreV1Api(official)
    found = await core.list_namespaced_config_map(NAMESPACE, field_selector=SELECTOR)
    [item] = found.items
    assert item.metadata is not None
    assert found.metadata is not None
    assert (item.metadata.name, item.data) == (NAME, document(1)["data"])
    assert found.metadata.resource_version == str(server.configmaps.version)


async def test_a_watch_is_one_to_it(server: ApiServer, official: client.ApiClient) -> None:
    """Each event once, from the version on, including the deletion."""
    server.configmaps.put(NAMESPACE, NAME, document(1))
    version = str(server.configmaps.version)
    server.configmaps.put(NAMESPACE, NAME, document(2))
    server.configmaps.delete(NAMESPACE, NAME)
    server.configmaps.put(NAMESPACE, NAME, document(3))
    kinds = [kind for kind, _ in await seen(official, version, 3)]
    assert kinds == ["MODIFIED", "DELETED", "ADDED"]


async def test_timeout_seconds_end_a_watch_cleanly(
    server: ApiServer, official: client.ApiClient
) -> None:
    version = str(server.configmaps.version)
    assert await seen(official, version, 1, timeout_seconds=1) == []


@pytest.mark.parametrize("as_event", [True, False])
async def test_a_forgotten_version_is_gone(
    server: ApiServer, official: client.ApiClient, as_event: bool
) -> None:
    """The official client raises 410 in both cases, after one retry."""
    server.faults.gone_as_event = as_event
    version = str(server.configmaps.version)
    server.configmaps.compact()
    with pytest.raises(client.ApiException) as refused:
        await seen(official, version, 1)
    assert refused.value.status == 410


async def test_after_a_restart_the_version_of_before_is_gone(
    server: ApiServer, official: client.ApiClient
) -> None:
    """As a real one answered 44 of 44 watches, though nothing had changed."""
    version = str(server.configmaps.version)
    await server.stop()
    await server.start()
    with pytest.raises(client.ApiException) as refused:
        await seen(official, version, 1)
    assert refused.value.status == 410


async def test_a_watch_may_have_no_bookmarks(server: ApiServer, official: client.ApiClient) -> None:
    """As where etcd reports progress only every ten minutes."""
    server.faults.bookmark_seconds = 0.05
    version = str(server.configmaps.version)
    options = {"timeout_seconds": 1, "allow_watch_bookmarks": True}
    assert await seen(official, version, 1, **options) == [("BOOKMARK", version)]
    server.faults.bookmark_seconds = float("inf")
    assert await seen(official, version, 1, **options) == []


async def test_an_exact_list_of_a_forgotten_version_is_gone(
    server: ApiServer, official: client.ApiClient
) -> None:
    version = str(server.configmaps.version)
    server.configmaps.compact()
    with pytest.raises(client.ApiException) as refused:
        await client.CoreV1Api(official).list_namespaced_config_map(
            NAMESPACE, resource_version=version, resource_version_match="Exact"
        )
    assert refused.value.status == 410


async def test_a_right_by_name_needs_the_field_selector(
    server: ApiServer, official: client.ApiClient
) -> None:
    server.faults.only_names = [NAME]
    core = client.CoreV1Api(official)
    await core.list_namespaced_config_map(NAMESPACE, field_selector=SELECTOR)
    with pytest.raises(client.ApiException) as refused:
        await core.list_namespaced_config_map(NAMESPACE)
    assert refused.value.status == 403


async def test_a_bad_token_is_refused(server: ApiServer, official: client.ApiClient) -> None:
    server.faults.tokens = ["another"]
    with pytest.raises(client.ApiException) as refused:
        await client.CoreV1Api(official).list_namespaced_config_map(NAMESPACE)
    assert refused.value.status == 401


def event(**changes: Any) -> client.EventsV1Event:
    """A valid event, except for these changes."""
    good = {
        "metadata": client.V1ObjectMeta(name="e", namespace=NAMESPACE),
        "event_time": datetime(2025, 6, 1, 12, 0, 0, 1, tzinfo=UTC),
        "reporting_controller": "cache-sidecar",
        "reporting_instance": "cart-1",
        "action": "Configure",
        "reason": "ConfigurationRejected",
        "regarding": client.V1ObjectReference(kind="Pod", namespace=NAMESPACE, name="cart-1"),
        "note": "a note",
        "type": "Warning",
    }
    return client.EventsV1Event(**{**good, **changes})


async def test_events_are_checked_as_a_server_does(
    server: ApiServer, official: client.ApiClient
) -> None:
    """A real server rejects: no action, whole seconds, a note of 1,025 bytes, another namespace.

    For an existing Event it accepts a new series, but no other note.
    """
    events = client.EventsV1Api(official)
    elsewhere = client.V1ObjectReference(kind="Pod", namespace="default", name="cart-1")
    for bad in (
        event(action=""),
        event(note="x" * 1025),
        event(regarding=elsewhere),
        event(type="Bad"),
        event(series=client.EventsV1EventSeries(count=1, last_observed_time=datetime.now(UTC))),
    ):
        with pytest.raises(client.ApiException) as refused:
            await events.create_namespaced_event(NAMESPACE, bad)
        assert refused.value.status == 422
    await events.create_namespaced_event(NAMESPACE, event())
    assert len(server.events.stored) == 1
