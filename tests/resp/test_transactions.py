"""Transactions over tiers that are too small for what they read and write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.config.values import CacheConfig
from tests.resp.serving import serving


@pytest.mark.parametrize("size", [60, 9_000, 90_000], ids=["small", "packed", "unpacked aside"])
async def test_what_a_transaction_puts_out_of_memory_can_be_read_in_it(
    tmp_path: Path, size: int
) -> None:
    """All of it is of one moment: what was in memory at its begin needs no wait later."""
    config = CacheConfig()
    tiers = config.tiers
    tiers = replace(tiers, l1=replace(tiers.l1, max_entries=1), l2=replace(tiers.l2, max_entries=1))
    async with serving(tmp_path, replace(config, tiers=tiers)) as served:
        client = await served.connect()
        old = b"words " * (size // 6)
        for first in (b"a", b"b"):  # at hand, and in L3 alone
            await client("mset", "a", old, "b", old)
            assert await client("get", first) == old
            await client("multi")
            for number in range(5):
                await client("set", b"new%d" % number, b"x" * size)
            for command in (("get", "a"), ("get", "b"), ("append", "a", "more"), ("get", "a")):
                await client(*command)
            *_, a, b, length, longer = await client("exec")
            assert (a, b, length, longer) == (old, old, len(old) + 4, old + b"more")
        await client.close()
