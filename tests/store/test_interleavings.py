"""Promise 1, over every schedule: once a write is answered, no read returns the version before.

A reader and one or two writers of the same key run against a child that may be slow at every step
and may die once, while memory may evict the key at any moment. A stateless search runs every order
of these steps: a schedule is a list of choices, and a run that meets a choice for the first time
takes the first option and leaves the others for later runs. More than 300 lines in one file, since
the steps and the search belong together.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.config.knobs import Admission, Tuning
from sidecar.config.values import CacheConfig, Durability, MemoryTierConfig, TierConfig
from sidecar.model.entry import L1, L2, Entry, Hit
from sidecar.model.errors import NotReadyError, OutcomeUnknownError, PreconditionFailedError
from sidecar.model.terms import mark_of, terms
from sidecar.policies.fifo import Fifo
from sidecar.policies.lru import Lru
from sidecar.policies.protocol import Policy
from sidecar.serving.budget import Budget
from sidecar.store.store import Ask, Client, OnWritten, Store, Written
from sidecar.tiers.disk import State, Unanswered
from tests.store.stepped import SteppedChild

KEY = b"ns/key"
OTHER = b"another/key"
OLD, NEW = b"old", b"new"
ERRORS = (NotReadyError, OutcomeUnknownError, PreconditionFailedError)

Write = Callable[[Store], Coroutine[Any, Any, object]]


def put(store: Store) -> Coroutine[Any, Any, object]:
    return store.put(KEY, NEW, "text/plain", 60.0)


def delete(store: Store) -> Coroutine[Any, Any, object]:
    return store.delete(KEY)


def invalidate(store: Store) -> Coroutine[Any, Any, object]:
    return store.invalidate(b"ns/")


def invalidate_tag(store: Store) -> Coroutine[Any, Any, object]:
    return store.invalidate_tags([mark_of("ns", "tag")])


def replace_only(store: Store) -> Coroutine[Any, Any, object]:
    def there(entry: Entry | None) -> bool:
        return entry is not None

    return store.put(KEY, NEW, "text/plain", 60.0, there)


def add_only(store: Store) -> Coroutine[Any, Any, object]:
    return store.put(KEY, NEW, "text/plain", 60.0, lambda entry: entry is None)


def begin_put(store: Store, on_written: OnWritten) -> None:
    store.begin_put(KEY, NEW, "text/plain", 60.0, on_written)


def begin_delete(store: Store, on_written: OnWritten) -> None:
    store.begin_delete(KEY, on_written)


BEGINNINGS = {put: begin_put, delete: begin_delete}
"""The forms with callbacks; conditional writes and invalidations have none."""


@dataclass
class World:
    """One run: the store, the child, and a log of the events in order.

    `callbacks` is whether reads and writes are made by callback where there is such a form.
    """

    store: Store
    child: SteppedChild
    callbacks: bool = False
    away: bool = False
    """Whether the store goes on without L3 when the child dies, instead of waiting for the next."""
    waiting: int = 0
    """Callbacks that have not been called."""
    log: list[tuple[str, bytes | str | None]] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    sources: list[asyncio.Future[None]] = field(default_factory=list)
    """Reads of what is cached, somewhere else, that have not been answered."""
    died: bool = False
    evicted: bool = False

    async def read_source(self) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sources.append(answer)
        await answer

    async def read(self, name: str) -> None:
        hit = await self.store.get(KEY)
        self.log.append((name, hit.value if isinstance(hit, Hit) else None))

    async def write(self, name: str, write: Write) -> None:
        try:
            await write(self.store)
        except ERRORS as error:
            self.log.append((name, type(error).__name__))
        else:
            self.log.append((name, "answered"))

    def begin(self, name: str, write: Write | None) -> None:
        """Start an actor, which reads if `write` is None."""
        if self.callbacks and write is None:
            self._begin_read(name)
        elif self.callbacks and write in BEGINNINGS:
            self._begin_write(name, BEGINNINGS[write])
        else:
            self.start(self.read(name) if write is None else self.write(name, write))

    def _begin_read(self, name: str) -> None:
        def on_hit(hit: Hit | Ask | None) -> None:
            assert not isinstance(hit, Ask)
            self.waiting -= 1
            self.log.append((name, None if hit is None else hit.value))

        self.waiting += 1
        hit = self.store.look(KEY)
        if isinstance(hit, Ask):
            self.store.fetch(KEY, on_hit)
        else:
            on_hit(hit)

    def _begin_write(self, name: str, begin: Callable[[Store, OnWritten], None]) -> None:
        def on_written(written: Written | Unanswered) -> None:
            self.waiting -= 1
            unknown = isinstance(written, Unanswered)
            self.log.append((name, "OutcomeUnknownError" if unknown else "answered"))

        assert self.store.accepts
        self.waiting += 1
        begin(self.store, on_written)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run up to the first wait directly, like an eager task of Python 3.12; then as a task."""
        try:
            waiting = work.send(None)
        except StopIteration:
            return

        async def rest() -> None:
            future = waiting
            while True:
                if future is None:
                    await asyncio.sleep(0)
                else:
                    future._asyncio_future_blocking = False
                    await asyncio.wait([future])
                try:
                    future = work.send(None)
                except StopIteration:
                    return

        self.tasks.append(asyncio.get_running_loop().create_task(rest()))

    def steps(self) -> dict[str, Callable[[], None]]:
        """The possible next steps, besides the reader and the writers."""
        disk, child = self.store.disk, self.child
        steps: dict[str, Callable[[], None]] = {}
        if disk.state is State.UP and (disk._reads_out or disk._sent < len(disk._unacked)):
            steps["send"] = lambda: child.handle_all(disk)
        if child.outbox:
            steps["deliver"] = lambda: child.deliver(disk)
        if self.sources:
            steps["source"] = lambda: self.sources.pop(0).set_result(None)
        if not self.died and (disk.waiting or self.away):
            steps["die"] = self._die
        if disk.state is not State.UP:
            steps["hello"] = lambda: child.hello(disk)
        if not self.evicted and (len(self.store.l1) or len(self.store.l2)):
            steps["evict"] = self._evict
        return steps

    def _die(self) -> None:
        self.died = True
        self.child.die(self.store.disk)
        if self.away:
            self.store.disk.give_up()

    def _evict(self) -> None:
        """Evict everything; if L1 and L2 have an entry each, the older first, from where it is."""
        self.evicted = True
        rooms = self.store.l2, self.store.l1
        limits = [(room.max_entries, room.max_bytes) for room in rooms]
        for room in rooms:
            room.resize(0, 0)
            self.store.memory.drain()
        for room, (entries, size) in zip(rooms, limits, strict=True):
            room.resize(entries, size)


async def breathe() -> None:
    """Let the event loop become idle."""
    loop: Any = asyncio.get_running_loop()
    await asyncio.sleep(0)
    while loop._ready:
        await asyncio.sleep(0)


class Schedule:
    """The choices of one run, and those of the remaining runs."""

    def __init__(self) -> None:
        self._path: list[list[int]] = []  # [taken, of how many]
        self._at = 0

    def choose(self, count: int) -> int:
        if self._at == len(self._path):
            self._path.append([0, count])
        taken, _ = self._path[self._at]
        self._at += 1
        return taken

    def next(self) -> bool:
        """Set up the next run; False after the last."""
        self._at = 0
        while self._path:
            self._path[-1][0] += 1
            if self._path[-1][0] < self._path[-1][1]:
                return True
            self._path.pop()
        return False


class Sample:
    """Random choices, for a given number of runs."""

    def __init__(self, seed: int, runs: int) -> None:
        self._rng = random.Random(seed)
        self._left = runs

    def choose(self, count: int) -> int:
        return self._rng.randrange(count)

    def next(self) -> bool:
        self._left -= 1
        return self._left > 0


async def run(
    schedule: Schedule | Sample, world: World, actors: dict[str, Callable[[], None]]
) -> list[str]:
    """Run one schedule to its end; returns its steps."""
    trace: list[str] = []
    actors = dict(actors)
    loop: Any = asyncio.get_running_loop()
    while True:
        steps = {**actors, **world.steps()}
        if loop._ready:  # a waiting task can continue
            steps["breathe"] = lambda: None
        if not steps:
            return trace
        name = list(steps)[schedule.choose(len(steps))]
        trace.append(name)
        actors.pop(name, None)
        steps[name]()
        if name == "breathe":
            await breathe()


async def new_world(
    start: str,
    durability: Durability,
    *,
    callbacks: bool = False,
    away: bool = False,
    tagged: bool = False,
) -> World:
    """The old version is in L3, and in L1 or L2 if `start` says so.

    With "victim", it is in L1, and the next victim of L2's policy, whose other entry is younger.
    """
    world = World(_store(durability), SteppedChild())
    world.child.hello(world.store.disk)
    world.start(world.write("set-up", _put_tagged if tagged else _put_old))
    await _settle(world)
    if start == "victim":
        await _crowd(world)
    world.log.clear()
    if start in ("l2", "l3"):
        world.store.l1.resize(0, 0)
        world.store.memory.drain()
        world.store.l1.resize(100, 1 << 20)
    if start == "l3":
        world._evict()
        world.evicted = False
    world.callbacks, world.away = callbacks, away
    return world


SCORES = CATALOGUE.policies.scores


def _store(durability: Durability) -> Store:
    config = replace(CacheConfig(), durability=durability, promote_after=1)
    disk = Client(lambda: 1000.0, monotonic=lambda: 1000.0)
    return Store(lambda: 1000.0, config, _policy, SCORES, disk, spare=Budget())


def _policy(tier: TierConfig) -> Policy[Any]:
    return Fifo() if isinstance(tier, MemoryTierConfig) else Lru()


async def _crowd(world: World) -> None:
    """Put another entry, which falls to L2, since the old version is used after it."""
    store = world.store
    world.start(world.write("set-up", lambda store: store.put(OTHER, NEW, "text/plain", 60.0)))
    await _settle(world)
    assert isinstance(store.look(KEY), Hit)
    store.l1.resize(1, 1 << 20)
    store.memory.drain()
    assert [store.memory.held.tier_of(key) for key in (KEY, OTHER)] == [L1, L2]


def _put_old(store: Store) -> Coroutine[Any, Any, object]:
    return store.put(KEY, OLD, "text/plain", 60.0)


def _put_tagged(store: Store) -> Coroutine[Any, Any, object]:
    return store.put(KEY, OLD, "text/plain", 60.0, terms=terms("ns", tags=("tag",)))


async def _settle(world: World) -> None:
    """Complete everything in progress; a task that waits forever is an error."""
    for _ in range(50):
        steps = world.steps()
        ahead = [steps[name] for name in ("hello", "deliver", "send", "source") if name in steps]
        if ahead:
            ahead[0]()
        await breathe()
        if not ahead and not world.waiting and all(task.done() for task in world.tasks):
            return
    raise AssertionError(f"somebody waits forever: {world.log}")


async def _value(world: World) -> bytes | None:
    """The value that a read returns now."""
    world.start(world.read("check"))
    await _settle(world)
    value = world.log.pop()[1]
    assert not isinstance(value, str)
    return value


def judge(log: list[tuple[str, bytes | str | None]]) -> None:
    """No read that ends after an answered write returns the version before it."""
    answered = False
    for name, result in log:
        if name.startswith("read"):
            assert not (answered and result == OLD), log
        elif result == "answered":
            answered = True


async def judge_end(world: World) -> None:
    """Memory, L3 and a restart have the same version, or only memory if L3 was not given it."""
    here = await _value(world)
    world._evict()
    await _settle(world)
    below = await _value(world)
    spared = world.store.tuning.l3_admission == "second" and below is None
    assert spared or below == here, (world.log, here, below)
    again = World(_store("process"), world.child)
    world.child.hello(again.store.disk)
    after_restart = await _value(again)
    assert after_restart == below, (world.log, below, after_restart)
    if any(result == "answered" for _, result in world.log):
        assert here != OLD, world.log


WRITERS: dict[str, Write] = {
    "put": put,
    "delete": delete,
    "invalidate": invalidate,
    "invalidate a tag": invalidate_tag,
    "replace only": replace_only,
    "add only": add_only,
}


async def explore(
    start: str,
    durability: Durability,
    actors: dict[str, Write | None],
    schedule: Schedule | Sample,
    admission: Admission = "every",
    *,
    callbacks: bool = False,
    away: bool = False,
) -> int:
    """Run the schedules of the actors (None reads); returns their number."""
    runs = 0
    while True:
        tagged = invalidate_tag in actors.values()
        world = await new_world(start, durability, callbacks=callbacks, away=away, tagged=tagged)
        world.store.apply(world.store.config, Tuning(l3_admission=admission))
        beginnings: dict[str, Callable[[], None]] = {
            name: partial(world.begin, name, write) for name, write in actors.items()
        }
        trace = await run(schedule, world, beginnings)
        try:
            await _settle(world)
            judge(world.log)
            await judge_end(world)
        except AssertionError as error:
            raise AssertionError(f"after {trace}: {error}") from error
        runs += 1
        if not schedule.next():
            return runs


both_forms = pytest.mark.parametrize("callbacks", [False, True], ids=["coroutine", "callback"])


@both_forms
@pytest.mark.parametrize("start", ["l1", "victim", "l2", "l3"])
@pytest.mark.parametrize("durability", ["process", "memory"])
@pytest.mark.parametrize("writer", list(WRITERS))
async def test_no_schedule_brings_back_what_was_written_over(
    start: str, durability: Durability, writer: str, *, callbacks: bool
) -> None:
    """A read and a write of one key, evictions and a death of the child; all schedules are run."""
    actors = {"read": None, "write": WRITERS[writer]}
    runs = await explore(start, durability, actors, Schedule(), callbacks=callbacks)
    assert runs > 10


@both_forms
@pytest.mark.parametrize("start", ["l1", "l3"])
@pytest.mark.parametrize("writer", list(WRITERS))
async def test_no_schedule_brings_back_what_was_written_over_while_l3_was_away(
    start: str, writer: str, *, callbacks: bool
) -> None:
    """The store goes on without L3, which comes back with the old version, at any moment."""
    actors = {"read": None, "write": WRITERS[writer]}
    runs = await explore(start, "process", actors, Schedule(), callbacks=callbacks, away=True)
    assert runs > 10


@both_forms
@pytest.mark.parametrize("durability", ["process", "memory"])
@pytest.mark.parametrize("writer", ["put", "replace only", "add only"])
async def test_no_schedule_brings_back_what_l3_had_when_it_is_spared(
    durability: Durability, writer: str, *, callbacks: bool
) -> None:
    """L3 has the old version and is not given the new one, which is the first put of the key."""
    actors = {"read": None, "write": WRITERS[writer]}
    runs = await explore("l3", durability, actors, Schedule(), "second", callbacks=callbacks)
    assert runs > 10


@pytest.mark.parametrize("start", ["l1", "l3"])
@pytest.mark.parametrize(
    ("first", "second"),
    [("put", "delete"), ("delete", "add only"), ("invalidate", "put"), ("put", "replace only")],
)
@both_forms
@pytest.mark.parametrize("seed", [1, 2])
async def test_two_writers_and_a_reader_agree_in_the_end(
    start: str, first: str, second: str, seed: int, *, callbacks: bool
) -> None:
    """There are too many schedules to run all, so a seeded sample is run."""
    actors = {"read": None, "write 1": WRITERS[first], "write 2": WRITERS[second]}
    sample = Sample(seed, runs=1000)
    assert await explore(start, "process", actors, sample, callbacks=callbacks) == 1000


async def test_a_read_that_was_given_up_brings_nothing_back() -> None:
    """L3 still answers the read, after a delete: its answer must not be stored in memory."""
    world = await new_world("l3", "process")
    reader = asyncio.get_running_loop().create_task(world.store.get(KEY))
    await breathe()
    world.child.handle_all(world.store.disk)
    reader.cancel()
    await breathe()
    world.start(world.write("delete", delete))
    await _settle(world)
    assert world.log == [("delete", "answered")]
    assert await _value(world) is None
