"""Transactions over tiers that are too small for what they read and write, and refused ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.config.values import CacheConfig
from tests.resp.serving import Dialog, Served, serving


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


REJECTED = {
    "EXEC": ("multi", "set a 1", "exec x", "exec", "set a 2"),
    "EXEC without MULTI": ("exec x", "exec", "get a"),
    "EXEC that watches": ("set a 1", "watch a", "exec x", "set a 2", "multi", "get a", "exec"),
    "MULTI": ("multi", "multi x", "set a 1", "exec", "get a"),
    "WATCH": ("multi", "watch", "set a 1", "exec", "get a"),
    "DISCARD": ("multi", "discard x", "exec", "exec"),
    "RESET": ("multi", "reset x", "exec", "exec"),
    "unknown": ("multi", "nope", "exec", "get a"),
    "subscribed": ("multi", "set a 1", "subscribe c", "exec", "get a", "exec"),
    "what runs and fails": ("multi", "multi", "watch a", "set a 1", "exec", "get a"),
}


@pytest.mark.parametrize("script", REJECTED.values(), ids=REJECTED)
async def test_a_rejected_command_spoils_its_transaction_and_a_rejected_exec_ends_it(
    here: Dialog, there: Dialog, script: tuple[str, ...]
) -> None:
    for line in script:
        assert await here.raw(*line.split()) == await there.raw(*line.split()), line


def _does_not_answer(served: Served) -> None:
    served.store.disk.timeout_seconds = 0.0
    served.store.disk.lost()


def _has_no_memory(served: Served) -> None:
    served.service.admission.budget.resize(LARGE // 2, LARGE // 2)


def _has_too_many_requests(served: Served) -> None:
    admission = served.service.admission
    admission.tune(in_flight="adaptive", keepalive_seconds=60.0)
    admission.stats.in_flight += 10_000


LARGE = 1 << 20


@pytest.mark.parametrize(
    ("refuse", "why"),
    [
        (_does_not_answer, "TRYAGAIN L3 does not answer in time"),
        (_has_no_memory, "OOM "),
        (_has_too_many_requests, "TRYAGAIN There are more requests"),
    ],
)
async def test_an_exec_that_is_refused_has_dropped_what_was_queued(
    served: Served, refuse: Callable[[Served], None], why: str
) -> None:
    """The client need not send DISCARD; what it sends next is no part of the transaction."""
    client = await served.connect()
    await client("set", "a", b"x" * LARGE)
    await served.store.applied()
    served.store.memory.pop(b"db0/a")
    await client("watch", "b")
    await client("multi")
    assert await client("get", "a") == b"QUEUED"
    assert await client("incr", "b") == b"QUEUED"
    refuse(served)
    said = str(await client("exec"))
    assert said.startswith(f"EXECABORT Transaction discarded because of: {why}")
    assert str(await client("discard")) == "ERR DISCARD without MULTI"
    assert await client("ping") == b"PONG"
    assert await client("multi") == b"OK"
    await client.close()
