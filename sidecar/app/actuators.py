"""Applies the values of knobs and performs one-shot changes while the sidecar runs.

A new document or the optimizer decides, and names the values or the one-shot change. Nothing here
decides, and nothing keeps what was in force before.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence

from sidecar.config.knobs import Effective
from sidecar.config.memory import MOST_BUFFERS_BYTES, Plan, fit_memory, plan
from sidecar.model.change import OneShot
from sidecar.process.runtime import Runtime, collect, trim_heap
from sidecar.process.usage import resident_bytes
from sidecar.serving.admission import Admission
from sidecar.serving.budget import UNLIMITED_BYTES
from sidecar.store.store import Store
from sidecar.store.warming import warm_again
from sidecar.tiers.disk import MAX_PENDING_BYTES, State
from sidecar.tiers.process import DiskProcess

UNLIMITED = Plan(MOST_BUFFERS_BYTES, MOST_BUFFERS_BYTES, UNLIMITED_BYTES)
"""Without a limit of the container."""
Figures = dict[str, float | str]
"""What a one-shot change reports: numbers with their unit in the name, and words."""


class OneShotFailedError(Exception):
    """A one-shot change could not be made; the message is a sentence."""


class Actuators:
    """Everything in the sidecar that the optimizer can change."""

    def __init__(
        self,
        store: Store,
        process: DiskProcess,
        admissions: Sequence[Admission],
        runtime: Runtime,
    ) -> None:
        """`admissions` are those of what applications speak, which share one budget; requests to
        the ops API are never refused.
        """
        self._memory_limit_bytes: int | None = None
        self._effective: Effective | None = None
        self._store = store
        self._process = process
        self._admissions = admissions
        self._budget = admissions[0].budget
        self._runtime = runtime
        self.one_shots: dict[str, Callable[[], Awaitable[Figures]]] = {
            "collect": self._collect,
            "release_memory": self._release_memory,
            "compact_l3": self._compact_l3,
            "warm": self._warm,
        }

    def put_in_force(self, effective: Effective) -> None:
        """Apply these values from the next operation on. Idempotent.

        Whatever the document states and the optimizer has changed, it fits the memory limit.
        """
        self._effective = effective
        cache, tuning = effective.cache, effective.tuning
        limit = self._memory_limit_bytes
        if limit is not None:
            cache = fit_memory(cache, limit)
            self._divide(plan(cache, limit))
        self._store.apply(cache, tuning)
        self._process.enable(enabled=cache.tiers.l3.enabled)
        for admission in self._admissions:
            admission.tune(in_flight=tuning.in_flight, keepalive_seconds=tuning.keepalive_seconds)
        self._runtime.tune(gc_threshold=tuning.gc_threshold, gc_frozen=tuning.gc_frozen)

    def limit_memory(self, limit_bytes: int | None) -> None:
        """Fit what is in force to this limit of the container, from now on."""
        self._memory_limit_bytes = limit_bytes
        if limit_bytes is None:
            self._divide(UNLIMITED)
        if self._effective is not None:
            self.put_in_force(self._effective)

    def _divide(self, memory: Plan) -> None:
        """Give L3 and the requests their parts of the memory."""
        requests = min(memory.requests, UNLIMITED_BYTES)
        self._budget.resize(requests, requests)
        self._process.buffers_bytes = memory.l3_buffers
        if memory.l3:
            self._store.limit_pending(min(memory.pending, MAX_PENDING_BYTES))

    async def perform(self, one_shot: OneShot) -> Figures:
        """Perform it, and report the result. Raises OneShotFailedError, KeyError if unknown."""
        return await self.one_shots[one_shot.name]()

    async def _collect(self) -> Figures:
        found, seconds = collect()
        return {"collected_objects": found, "pause_seconds": seconds}

    async def _release_memory(self) -> Figures:
        """Collect garbage, then return free heap to the system: in this process, not in L3's."""
        before = resident_bytes(os.getpid())
        found, seconds = collect()
        trimmed = await asyncio.to_thread(trim_heap)
        return {
            "resident_before_bytes": before or 0,
            "resident_after_bytes": resident_bytes(os.getpid()) or 0,
            "collected_objects": found,
            "pause_seconds": seconds,
            "heap": "trimmed" if trimmed else "not trimmed: this C library has no malloc_trim",
        }

    async def _compact_l3(self) -> Figures:
        """Start a rewrite of L3's tables: the folder shrinks some time after this."""
        begun = await self._store.rewrite_l3()
        status = self._store.l3_status
        if begun is None or status is None:
            raise OneShotFailedError("L3 is not up; its tables can't be rewritten.")
        return {
            "folder_bytes": status.folder_bytes,
            "rewrite": "begun" if begun else "already in progress",
        }

    async def _warm(self) -> Figures:
        """Load the most used entries of L3 into the free room in memory."""
        if self._store.l3_state is not State.UP:
            raise OneShotFailedError("L3 is not up; there is nothing to warm memory from.")
        return {"warmed_entries": await warm_again(self._store)}
