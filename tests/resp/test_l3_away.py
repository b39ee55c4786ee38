"""What is deleted while it is not found: L3 is away, and comes back with it; or it had expired by a
clock that is set back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.tiers.disk import State
from tests.resp.both import Both
from tests.running import PATIENCE_SECONDS

SPACE = b"named"


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    server = Both(tmp_path, [SPACE])
    yield server
    server.close()


async def until(both: Both, state: State) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while both.store.disk.state is not state:
            await asyncio.sleep(0.005)


DELETIONS = {
    "DEL": (b"DEL", b"key"),
    "GETDEL": (b"GETDEL", b"key"),
    "a life that is over": (b"EXPIRE", b"key", b"-1"),
    "a time that is over": (b"PEXPIREAT", b"key", b"1"),
    "GETEX": (b"GETEX", b"key", b"PXAT", b"1"),
}


@pytest.mark.parametrize("command", DELETIONS.values(), ids=DELETIONS)
@pytest.mark.parametrize("in_transaction", [False, True])
def test_what_is_deleted_meanwhile_does_not_come_back(
    both: Both, command: tuple[bytes, ...], *, in_transaction: bool
) -> None:
    """Even if only L3 has it, so that it is not found."""

    async def run() -> None:
        client, tiers = both.resp[SPACE], both.store.memory
        assert await client.ask((b"SET", b"key", b"old")) == [b"OK"]
        tiers.pop(SPACE + b"/key")
        both.process.enable(enabled=False)
        await until(both, State.DOWN)
        script = [(b"MULTI",), command, (b"EXEC",)] if in_transaction else None
        *_, told = await client.ask(*(script or [command]))
        assert told in (None, 0, [None], [0])
        both.process.enable(enabled=True)
        await until(both, State.UP)
        assert await client.ask((b"GET", b"key")) == [None]

    both.run(run())


@pytest.mark.parametrize("command", [*DELETIONS.values(), "DELETE"], ids=[*DELETIONS, "HTTP"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_what_had_expired_when_it_was_deleted_does_not_come_back(
    both: Both, command: tuple[bytes, ...] | str, *, in_memory: bool
) -> None:
    """When the clock is set back, which was ahead."""
    client, path = both.resp[SPACE], "/v1/cache/named/key"
    assert both.run(client.ask((b"SET", b"key", b"old", b"EX", b"50"))) == [b"OK"]
    if not in_memory:
        both.store.memory.pop(SPACE + b"/key")
    both.now += 1000.0
    if isinstance(command, str):
        told = both.run(both.http.ask(command, path, b"", {"Prefer": "return=representation"}))
        assert told.status == 404
    else:
        assert both.run(client.ask(command)) in ([None], [0])
    both.now -= 1000.0
    assert both.run(client.ask((b"GET", b"key"))) == [None]
