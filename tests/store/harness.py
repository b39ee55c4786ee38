"""The whole store over a real RocksDB, in one process and with a test clock.

The harness calls the engine of the child directly, so only the socket is left out.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from sidecar.catalogue import CATALOGUE
from sidecar.config.knobs import Tuning
from sidecar.config.values import CacheConfig, TierConfig
from sidecar.l3 import wire
from sidecar.l3.database import Database
from sidecar.l3.engine import Engine
from sidecar.model.answers import ABSENT, Status
from sidecar.serving.budget import Budget
from sidecar.store.store import UNTUNED, Client, Store

T = TypeVar("T")


SCORES = CATALOGUE.policies.scores


class Harness:
    """A store that runs step by step: `run` completes one operation."""

    def __init__(
        self, folder: Path, config: CacheConfig, seed: int, tuning: Tuning = UNTUNED
    ) -> None:
        self.now = 1_000_000.0
        self.folder = folder
        self._config = config
        self._tuning = tuning
        self._seed = seed
        self.start()
        self._loop = asyncio.new_event_loop()

    def start(self) -> None:
        """Open L3 with empty memory, as after a restart."""
        self._start_empty()
        self.open_l3()

    def start_without_l3(self) -> None:
        """Start with empty memory, and give L3 up."""
        self._start_empty()
        self.store.disk.give_up()

    def _start_empty(self) -> None:
        disk = Client(lambda: self.now, monotonic=lambda: self.now)
        self.store = Store(
            lambda: self.now, self._config, self._policy, SCORES, disk, spare=Budget()
        )
        self.store.apply(self._config, self._tuning)

    def open_l3(self) -> None:
        """Open L3, which was away."""
        self.database = Database(self.folder)
        self.engine = Engine(self.database, random.Random(self._seed))
        self.store.disk.feed(wire.Reply([], [], [], status=self.status()))

    def stop(self) -> None:
        """Close L3. RocksDB's lock is released with the last reference to it."""
        self.database.close()
        del self.engine, self.database, self.store
        gc.collect()

    def close(self) -> None:
        try:
            self.stop()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def reconfigure(self, config: CacheConfig, tuning: Tuning = UNTUNED) -> None:
        """Apply another configuration, and move and drain all that it requires."""
        self._config, self._tuning = config, tuning
        self.store.apply(config, tuning)
        self.serve()
        while not self.store.memory.drain() or self.engine.over():
            self.serve()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run an operation while L3 is served."""

        async def served() -> T:
            task = asyncio.ensure_future(work)
            for _ in range(10_000):
                self.serve()
                await asyncio.sleep(0)
                if task.done():
                    return task.result()
            raise AssertionError("an operation waits forever")

        return self._loop.run_until_complete(served())

    def run_unserved(self, work: Coroutine[Any, Any, T]) -> T:
        """Run an operation while L3 does not answer."""
        return self._loop.run_until_complete(work)

    def serve(self) -> None:
        """Handle what the store has sent, as the child does."""
        disk = self.store.disk
        while (frame := disk.take()) is not None:
            request = wire.decode_request(b"".join(frame)[4:])
            if request.reads:
                rows = self.engine.read(request.reads)
                reads = [ABSENT if row is None else memoryview(row) for row in rows]
                disk.feed(wire.Reply(reads, [], []))
            match request.call:
                case wire.Configure():
                    self.engine.configure(request.call)
                case wire.ListKeys():
                    page = self.engine.page(request.call, request.now)
                    disk.feed(wire.Reply([], [], [], page=page))
            self.engine.touch(dict(request.touches), request.now)
            if request.writes:
                answers, evicted = self.engine.write(request.writes, request.now, sync=False)
                disk.feed(wire.Reply([], answers, evicted))
        if self.engine.over():
            disk.feed(wire.Reply([], [], self.engine.drain(self.now)))

    def status(self) -> Status:
        """The status of L3, as the child reports it once a second."""
        return Status(
            entries=self.engine.entries,
            used_bytes=self.engine.used_bytes,
            evictions=self.engine.evictions,
            expirations=self.engine.expirations,
            folder_bytes=0,
            pending_compaction_bytes=0,
            max_seq=self.engine.max_seq,
            invalidations=self.engine.invalidations,
            invalidation_bytes=self.engine.invalidation_bytes,
            slowed=False,
            wiped=False,
            softened=self.engine.softened,
        )

    def _policy(self, tier: TierConfig) -> Any:
        rng = random.Random(self._seed)
        return CATALOGUE.policies.make(
            tier.policy, tier.max_entries, rng=rng, **tier.policy_options
        )
