"""A value in memory that can't be unpacked: an error, and whoever asked for it is served on."""

from __future__ import annotations

from pathlib import Path

import hiredis
import pytest

from sidecar.model.entry import Packed
from tests.resp.serving import serving

COMMANDS = [(b"GET",), (b"MGET",), (b"STRLEN",), (b"APPEND",), (b"GETDEL",), (b"INCR",)]


@pytest.mark.parametrize("size", [10_000, 200_000], ids=["small", "large"])
async def test_it_is_an_error_of_any_command(tmp_path: Path, size: int) -> None:
    """A large one is unpacked in a thread."""
    async with serving(tmp_path) as served:
        client = await served.connect()
        for command in COMMANDS:
            await client(b"SET", b"damaged", b"x")
            entry = served.store.memory.find(b"db0/damaged")
            assert entry is not None
            entry.value = Packed(b"damaged", size)
            arguments = [*command, b"damaged", *([b"more"] if command == (b"APPEND",) else [])]
            said = await client(*arguments)
            assert isinstance(said, hiredis.ReplyError)
            assert "internal error" in str(said)
            assert await client(b"PING") == b"PONG"
        assert not served.service.admission.stats.in_flight
        await client.close()
