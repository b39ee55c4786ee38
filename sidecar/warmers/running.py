"""One run: read the source, and put what it gives, in small batches with rests between them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, nullcontext

from sidecar.config.values import WarmerConfig
from sidecar.model.clock import Clock
from sidecar.model.errors import TooLargeForTiersError
from sidecar.model.stats import RequestStats
from sidecar.origins.errors import TooManyFetchesError
from sidecar.origins.memory import Held, Memory
from sidecar.store.store import Store, Written
from sidecar.tiers.disk import Unanswered
from sidecar.warmers.changes import Changes
from sidecar.warmers.entries import Warm, most_record_bytes, read
from sidecar.warmers.figures import Figures
from sidecar.warmers.pacing import Pacing
from sidecar.warmers.reach import Reach
from sidecar.warmers.records import BrokenStreamError, Record, Records, records_of
from sidecar.warmers.sources.protocol import Source, SourceError

BATCH_ENTRIES, BATCH_BYTES = 8, 64 << 10
"""Of entries that are read and put without giving way: about a quarter of a millisecond."""
MOST_READ_BYTES = 64 << 30
"""A run that reads more of a source fails: no tier holds it, so the file is a bomb."""


RUN_BYTES = 2 << 20
"""What a run holds beside a large entry."""
COPIES = 3
"""What an entry takes while it is read: as it was sent, decoded, and as it is put."""


class RunFailedError(Exception):
    """The run can't go on. The message is a sentence; what was loaded stays."""


class Runner:
    """Runs warmers on a store. `stats` are those of the protocols whose GETs come first."""

    def __init__(
        self,
        store: Store,
        sources: Mapping[str, Source],
        reach: Reach,
        *,
        stats: Sequence[RequestStats],
        memory: Memory,
        monotonic: Clock = time.monotonic,
    ) -> None:
        self._store = store
        self._memory = memory
        self._sources = sources
        self._reach = reach
        self._stats = stats
        self._monotonic = monotonic

    async def run(self, config: WarmerConfig, figures: Figures) -> None:
        """Load the source of a warmer. Raises RunFailedError."""
        try:
            with Held(self._memory) as held:
                held.grow_to(RUN_BYTES)
                if config.replace:
                    await self._load(config, figures, None, held)
                    return
                with closing(Changes(self._store)) as changes:
                    await self._load(config, figures, changes, held)
        except TooManyFetchesError:
            why = "There is not enough memory for it now; run it again later."
            raise RunFailedError(why) from None
        except (SourceError, BrokenStreamError) as error:
            raise RunFailedError(str(error)) from None

    async def _load(
        self, config: WarmerConfig, figures: Figures, changes: Changes | None, held: Held
    ) -> None:
        pacing = Pacing(config.rate, self._stats, self._monotonic)
        source = self._sources[config.source]
        loading = _Loading(
            self._store,
            config,
            figures,
            changes=changes,
            pacing=pacing,
            monotonic=self._monotonic,
        )
        async with source.open(config.options, self._reach) as stream:
            figures.total_bytes = stream.total_bytes
            records: Records | None = None
            async for piece in stream.pieces:
                figures.read_bytes += len(piece)
                if figures.read_bytes > MOST_READ_BYTES:
                    raise RunFailedError(f"The source has more than {MOST_READ_BYTES:,} bytes.")
                if records is None:
                    records = records_of(piece, most_record_bytes(self._store.config))
                await loading.load(records.feed(piece), is_messagepack=records.is_messagepack)
                held.grow_to(RUN_BYTES + COPIES * records.held_bytes)
                await pacing.pay_bytes(len(piece))
            if records is not None:
                await loading.load(records.end(), is_messagepack=records.is_messagepack)


class _Loading:
    """Puts records, batch by batch."""

    def __init__(
        self,
        store: Store,
        config: WarmerConfig,
        figures: Figures,
        *,
        changes: Changes | None,
        pacing: Pacing,
        monotonic: Clock,
    ) -> None:
        self._store = store
        self._config = config
        self._figures = figures
        self._changes = changes
        self._pacing = pacing
        self._monotonic = monotonic

    async def load(self, records: Iterator[Record], *, is_messagepack: bool) -> None:
        while True:
            began = self._monotonic()
            batch: list[tuple[int, Warm]] = []
            try:
                taken = self._take(batch, records, is_messagepack=is_messagepack)
            finally:  # those before the place where a stream is broken are loaded
                await self._put_all(batch)
            if not taken:
                return
            await self._pacing.rest(taken, self._monotonic() - began, self._store.pace)

    def _take(
        self, batch: list[tuple[int, Warm]], records: Iterator[Record], *, is_messagepack: bool
    ) -> int:
        """Add the next entries to the batch, with the numbers of their records; returns how many
        records were read. Raises BrokenStreamError.
        """
        taken = size = 0
        for record in records:
            taken += 1
            size += len(record.data or b"")
            try:
                warm = read(
                    record,
                    self._config.namespace,
                    self._store.config,
                    is_messagepack=is_messagepack,
                )
            except ValueError as error:
                self._figures.fail(record.number, str(error))
            else:
                batch.append((record.number, warm))
            if taken >= BATCH_ENTRIES or size >= BATCH_BYTES:
                break
        return taken

    async def _put_all(self, batch: list[tuple[int, Warm]]) -> None:
        """Begin each put, then wait for all of them."""
        written: list[asyncio.Future[None]] = []
        for number, warm in batch:
            await self._store.opened()
            if self._changes is not None and await self._changes.is_newer(warm.key, warm.terms):
                self._figures.skipped += 1
                continue
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            try:
                self._begin(warm, done)
            except TooLargeForTiersError:
                self._figures.fail(number, "Its value is larger than every tier that is in use.")
                continue
            written.append(done)
            self._figures.loaded += 1
        if written:
            await asyncio.wait(written)

    def _begin(self, warm: Warm, done: asyncio.Future[None]) -> None:
        """Raises TooLargeForTiersError. Nothing comes between the check and this."""

        def on_written(_written: Written | Unanswered) -> None:
            if not done.done():
                done.set_result(None)

        with self._changes.ours() if self._changes else nullcontext():
            self._store.begin_put(
                warm.key,
                warm.value,
                warm.content_type,
                warm.life_seconds,
                on_written,
                terms=warm.terms,
            )
