"""A control loop in virtual time, which applies the engine's decisions to values and logs them."""

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
    """A real control loop around the engine of a world; time passes only in `run`.

    `in_force` holds the values put in force, in order, and `done` the one-shot changes. A test can
    replace `put_in_force` and `perform`.
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
        """Let time pass, with an evaluation of all rules each second; returns the decisions."""
        world = self._world
        until = world.now + seconds
        decided: list[Decision] = []
        while world.now < until:
            self.pass_time()
            decided += self.control.evaluate()
        return decided

    def pass_time(self) -> None:
        """Let a second pass, with a sample but without an evaluation."""
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
