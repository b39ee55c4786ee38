"""Warmers over the store of a real sidecar, with sources that tests write or steer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

from sidecar.app.sidecar import Sidecar
from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.section import Section
from sidecar.config.values import WarmerConfig
from sidecar.model.clock import Clock
from sidecar.warmers.figures import Figures
from sidecar.warmers.reach import Reach
from sidecar.warmers.running import Runner
from sidecar.warmers.sources.file import FileOptions
from sidecar.warmers.sources.protocol import Stream
from sidecar.warmers.warmers import Warmers
from tests.http.serving import eventually


class NoOptions(Section):
    """The keys of a source that tests steer."""

    steered: str


class SteeredSource:
    """Gives the pieces that a test sends, until it sends an empty one."""

    name: ClassVar[str] = "steered"
    Options: ClassVar[type[Section]] = NoOptions

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.opened = 0
        self.closed = 0

    def find_fault(self, _options: Any, _reach: Reach) -> tuple[str, str] | None:
        return None

    @asynccontextmanager
    async def open(self, _options: Any, _reach: Reach) -> AsyncIterator[Stream]:
        self.opened += 1
        try:
            yield Stream(self._pieces())
        finally:
            self.closed += 1

    async def _pieces(self) -> AsyncIterator[bytes]:
        while piece := await self.pieces.get():
            yield piece


class Warming:
    """Warmers over a live sidecar; files are in `folder`."""

    def __init__(self, live: Sidecar, folder: Path, clock: Clock = time.time) -> None:
        self.live = live
        self.folder = folder
        self.source = SteeredSource()
        sources = {**CATALOGUE.sources, "steered": self.source}
        self.reach = Reach(folder=folder)
        stats = [live.admissions["http"].stats]
        self.runner = Runner(live.store, sources, self.reach, stats=stats, memory=live.budget)
        self.warmers = Warmers(self.runner, live.store, clock)

    async def run(self, config: WarmerConfig) -> Figures:
        """One run, to its end."""
        self.warmers.configure([config])
        self.warmers.start(config.name, "request")
        return await self.ended(config.name)

    async def ended(self, name: str) -> Figures:
        """The figures of the run in progress, once it has ended."""
        [standing] = [each for each in self.warmers if each.config.name == name]
        figures = standing.run or standing.last
        assert figures is not None
        await eventually(lambda: figures.ended_at is not None, "the run has ended")
        return figures

    async def load(self, content: bytes, **fields: Any) -> Figures:
        """One run over a file with this content."""
        (self.folder / "export").write_bytes(content)
        return await self.run(of_file("export", **fields))

    async def value(self, key: bytes) -> bytes | None:
        hit = await self.live.store.get(key)
        return None if hit is None else hit.value


def of_file(path: str, **fields: Any) -> WarmerConfig:
    named = {"name": "a", "namespace": "n", **fields}
    return WarmerConfig(source="file", options=FileOptions(file=path), **named)


def of_url(url: str, **fields: Any) -> WarmerConfig:
    text = json.dumps({"warmers": [{"name": "a", "namespace": "n", "source": {"url": url}}]})
    [config] = parse({"warmers.yaml": text}, vocabulary=CATALOGUE.vocabulary).warmers
    return WarmerConfig(
        **{"name": "a", "namespace": "n", "source": "url", "options": config.options, **fields}
    )


def steered(**fields: Any) -> WarmerConfig:
    named = {"name": "a", "namespace": "n", **fields}
    return WarmerConfig(source="steered", options=NoOptions(steered=""), **named)


def lines(entries: Iterable[tuple[str, str]]) -> bytes:
    """NDJSON of keys and values."""
    return b"".join(json.dumps({"key": k, "value": v}).encode() + b"\n" for k, v in entries)
