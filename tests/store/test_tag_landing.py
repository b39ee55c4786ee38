"""A tag that is invalidated just as a read of L3 lands, for which several wait."""

from __future__ import annotations

import asyncio

from sidecar.model.entry import Hit
from sidecar.model.terms import mark_of
from sidecar.store.store import Ask
from tests.store.test_interleavings import KEY, breathe, new_world


async def test_nobody_gets_what_was_invalidated_as_it_landed() -> None:
    """Nor does one of them look for it for ever: the flight is still there for the others."""
    world = await new_world("l3", "memory", tagged=True)
    store, found = world.store, list[Hit | Ask | None]()
    readers = [asyncio.create_task(store.get(KEY)) for _ in range(2)]
    await breathe()
    world.child.handle_all(store.disk)
    invalidated = asyncio.create_task(store.invalidate_tags([mark_of("ns", "tag")]))
    world.child.deliver(store.disk)  # the readers are due behind the invalidation
    asyncio.get_running_loop().call_soon(store.fetch, KEY, found.append)
    async with asyncio.timeout(5):
        while not all(reader.done() for reader in readers) or not found:
            await breathe()
            world.child.handle_all(store.disk)
            while world.child.outbox:
                world.child.deliver(store.disk)
        await invalidated
    assert [reader.result() for reader in readers] == [None, None]
    assert found == [None]
