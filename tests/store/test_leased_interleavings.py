"""Leases, over every schedule: no value that was loaded before it was replaced at its source is
returned once the cache has been told of that.

The source has one value. A loader takes the lease of the key, reads the source, and puts what it
has read; a writer changes the source, and then deletes or invalidates the key. Whatever comes
between these steps, in whatever order, a read that begins after a writer was answered returns what
the source had then, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from sidecar.model.errors import LeaseLostError
from sidecar.model.terms import mark_of, terms
from sidecar.store.store import Store
from tests.store.test_interleavings import (
    ERRORS,
    KEY,
    Sample,
    Schedule,
    World,
    _settle,
    new_world,
    run,
)

TELLS: dict[str, Callable[[Store], Coroutine[Any, Any, object]]] = {
    "delete": lambda store: store.delete(KEY),
    "invalidate": lambda store: store.invalidate(b"ns/"),
    "invalidate a tag": lambda store: store.invalidate_tags([mark_of("ns", "tag")]),
    "soften a tag": lambda store: store.invalidate_tags([mark_of("ns", "tag")], soft=True),
}
LEASE_SECONDS = 10.0


@dataclass
class Source:
    """What is cached."""

    version: int = 0

    def value(self) -> bytes:
        return b"%d" % self.version


class Run:
    """One schedule."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.source = Source()
        self.told = 0
        """The version that the cache has been told of."""

    def actors(
        self, works: dict[str, Callable[[], Coroutine[Any, Any, None]]]
    ) -> dict[str, Callable[[], None]]:
        """What begins each of these works."""

        def begin(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
            self.world.start(work())

        return {name: partial(begin, work) for name, work in works.items()}

    async def load(self, name: str) -> None:
        hit, lease = await self.world.store.get_or_lease(KEY, LEASE_SECONDS)
        if hit is not None:
            assert int(hit.value) >= self.told
        if lease is None:
            return
        loaded = self.source.value()
        await self.world.read_source()
        put = self.world.store.put(
            KEY, loaded, "t", 60.0, terms=terms("ns", tags=("tag",)), lease=lease.token
        )
        try:
            await put
        except (LeaseLostError, *ERRORS) as error:
            self.world.log.append((name, type(error).__name__))
        else:
            self.world.log.append((name, "put"))

    async def change(self, tell: Callable[[Store], Coroutine[Any, Any, object]]) -> None:
        self.source.version += 1
        version = self.source.version
        try:
            await tell(self.world.store)
        except ERRORS:
            return
        self.told = max(self.told, version)

    async def read(self) -> None:
        told = self.told
        hit = await self.world.store.get(KEY)
        if hit is not None:
            assert int(hit.value) >= told, f"{hit.value!r} of {told}"


async def explore(tells: list[str], schedule: Schedule | Sample, *, away: bool = False) -> int:
    runs = 0
    while True:
        world = await new_world("l3", "process", away=away)
        world.start(world.write("set-up", lambda store: store.delete(KEY)))
        await _settle(world)
        world.log.clear()
        this = Run(world)
        works: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "load": partial(this.load, "load"),
            "read": this.read,
        }
        for number, name in enumerate(tells):
            works[f"change {number}"] = partial(this.change, TELLS[name])
        if len(tells) > 1:
            works["load again"] = partial(this.load, "again")
        actors = this.actors(works)
        trace = await run(schedule, world, actors)
        try:
            await _settle(world)
            world.start(this.read())
            await _settle(world)
            for task in world.tasks:
                task.result()
        except AssertionError as error:
            raise AssertionError(f"after {trace}: {error}") from error
        runs += 1
        if not schedule.next():
            return runs


@pytest.mark.parametrize("tell", list(TELLS))
async def test_no_schedule_puts_an_old_value(tell: str) -> None:
    """A loader, a reader, and a writer; all schedules of a sample."""
    assert await explore([tell], Sample(20261201, runs=1500)) == 1500


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("away", [False, True], ids=["l3 is up", "l3 goes away"])
async def test_two_loaders_two_writers_and_a_reader(seed: int, *, away: bool) -> None:
    """With every pair of ways in which the cache is told."""
    pairs = [[first, second] for first in TELLS for second in TELLS]
    for pair in pairs:
        assert await explore(pair, Sample(seed, runs=150), away=away) == 150


async def test_without_a_lease_there_is_such_a_schedule() -> None:
    """So this test would find it."""
    with pytest.raises(AssertionError, match="of 1"):
        await _explore_without()


async def _explore_without() -> None:
    class Careless(Run):
        async def load(self, name: str) -> None:
            if await self.world.store.get(KEY) is None:
                loaded = self.source.value()
                await self.world.read_source()
                await self.world.store.put(KEY, loaded, "t", 60.0)

    sample = Sample(1, runs=1500)
    while True:
        world = await new_world("l3", "process")
        world.start(world.write("set-up", lambda store: store.delete(KEY)))
        await _settle(world)
        this = Careless(world)
        change = partial(this.change, TELLS["delete"])
        await run(sample, world, this.actors({"load": partial(this.load, ""), "change": change}))
        await _settle(world)
        world.start(this.read())
        await _settle(world)
        for task in world.tasks:
            task.result()
        if not sample.next():
            return
