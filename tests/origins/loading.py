"""Origins as the store will have them, at a server of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sidecar.config.origins import OriginConfig
from sidecar.origins.allowed import Allowed
from sidecar.origins.errors import OriginError
from sidecar.origins.memory import Memory
from sidecar.origins.origin import Origin
from sidecar.origins.own import OwnListeners
from sidecar.origins.results import Fetched, Result, Terms
from sidecar.serving.budget import Budget
from tests.origins.server import Handler, Server, serving

TERMS = Terms(default_ttl_seconds=60.0, max_value_bytes=1 << 20)
PATIENCE_SECONDS = 20.0
"""The timeout of a fetch that is expected to end by itself; nothing is measured with it."""


def origin_at(
    url: str,
    *,
    allowed: Allowed | None = None,
    own: OwnListeners | None = None,
    memory: Memory | None = None,
    **config: Any,
) -> Origin:
    return Origin(
        OriginConfig(url=url, **{"timeout_seconds": PATIENCE_SECONDS, **config}),
        allowed=allowed or Allowed(),
        own=own or OwnListeners(),
        memory=memory or Budget(),
    )


@asynccontextmanager
async def origin_with(
    answer: Handler | bytes, path: str = "/items/{key}", **options: Any
) -> AsyncIterator[tuple[Origin, Server]]:
    """An origin, and its server."""
    async with serving(answer) as server:
        origin = origin_at(f"{server.url}{path}", **options)
        try:
            yield origin, server
        finally:
            await origin.close()


async def failure(origin: Origin, key: bytes = b"a", terms: Terms = TERMS) -> OriginError:
    """The error of a load, which has to fail."""
    with pytest.raises(OriginError) as caught:
        await origin.load(key, terms)
    assert origin.outcomes[caught.value.kind] >= 1
    return caught.value


def fetched(result: Result) -> Fetched:
    """The result, which has to be a value."""
    assert isinstance(result, Fetched)
    return result
