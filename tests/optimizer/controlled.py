"""A control loop in virtual time: it applies to values what the engine decides, and logs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from sidecar.config.knobs import Effective
from sidecar.config.values import Document
from sidecar.control import Control, Figures
from sidecar.model.change import OneShot
from sidecar.optimizer.decisions import Decision
from sidecar.signals.sampler import Sampler
from tests.optimizer.virtual import Readings, World, a_snapshot
from tests.signals.reading import sources


class Controlled:
    """A real control loop around a world's engine, whose time passes when `run` says so.

    `in_force` holds what was put in force, in order, and `done` the one-shot changes; a test may
    have something else done by `put_in_force` and `perform`.
    """

    def __init__(
        self, document: Document, readings: Readings, data_dir: Path, *, begun: bool = True
    ) -> None:
        self._world = world = World(document, readings)
        self.in_force: list[Effective] = []
        self.done: list[OneShot] = []
        self.put_in_force: Callable[[Effective], None] = self.in_force.append
        self.perform: Callable[[OneShot], Awaitable[Figures]] = self._done
        self.control = Control(
            world.engine,
            Sampler(world.history, sources(data_dir)),
            world.history,
            look=lambda: a_snapshot(world.engine.effective.cache),
            put_in_force=self._put_in_force,
            perform=self._perform,
            data_dir=data_dir,
            clock=lambda: world.now,
            wall=lambda: world.wall,
        )
        if begun:
            self.control.start()

    def run(self, seconds: float) -> list[Decision]:
        """Let so much time pass, with a look at all rules every second; what was decided in it."""
        world = self._world
        until = world.now + seconds
        decided: list[Decision] = []
        while world.now < until:
            self.pass_time()
            decided += self.control.evaluate()
        return decided

    def pass_time(self) -> None:
        """A second passes and is measured; nobody looks."""
        world = self._world
        world.now += world.step_seconds
        world.wall += world.step_seconds
        world.history.push(world.now, world.readings(world.now, world.engine.effective))

    def _put_in_force(self, effective: Effective) -> None:
        self.put_in_force(effective)

    async def _perform(self, one_shot: OneShot) -> Figures:
        return await self.perform(one_shot)

    async def _done(self, one_shot: OneShot) -> Figures:
        self.done.append(one_shot)
        return {"freed_bytes": 4096}
