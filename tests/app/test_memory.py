"""When the container's memory is looked at, on a clock that advances only by what is waited for."""

from __future__ import annotations

import asyncio
import selectors
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sidecar.app.memory import keep_within_limit
from sidecar.config.values import CacheConfig
from sidecar.process.cgroup import ControlGroup
from sidecar.serving.budget import Budget
from tests.signals.trees import write

FILE = "sys/fs/cgroup/memory.max"


class Waits(selectors.SelectSelector):
    """Waits for nothing, and adds up how long it would have."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.seconds += timeout or 0.0
        return super().select(0)


class Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.waits = Waits()
        super().__init__(self.waits)

    def time(self) -> float:
        return self.waits.seconds


class Group(ControlGroup):
    """A control group of files, that notes when its limit is read."""

    def __init__(self, root: Path, loop: Loop) -> None:
        super().__init__(root)
        self._loop = loop
        self.reads: list[float] = []

    def memory_limit_bytes(self) -> int | None:
        self.reads.append(self._loop.time())
        return super().memory_limit_bytes()


def reads(root: Path, seconds: float) -> list[float]:
    """When the limit is read in so many seconds."""
    documents = cast(Any, SimpleNamespace(document=SimpleNamespace(cache=CacheConfig())))
    loop = Loop()
    group = Group(root, loop)
    keeping = loop.create_task(keep_within_limit(group, cast(Any, None), documents, Budget()))
    try:
        loop.run_until_complete(asyncio.wait({keeping}, timeout=seconds))
        keeping.cancel()
        loop.run_until_complete(asyncio.wait({keeping}))
    finally:
        loop.close()
    return group.reads


@pytest.mark.parametrize(("limit", "most_seconds"), [("134217728", 0.1), ("max", 1.0)])
def test_a_limit_is_read_ten_times_a_second(
    tmp_path: Path, limit: str, most_seconds: float
) -> None:
    """Requests that come between a resize and the next look take what the limit before allowed.
    Where there is none, it is looked for once a second.
    """
    write(tmp_path, {FILE: f"{limit}\n"})
    found = reads(tmp_path, 5.05)
    assert len(found) == 1 + round(5 / most_seconds)
    assert max(b - a for a, b in pairwise(found)) == pytest.approx(most_seconds)
