"""The garbage collector and the allocator of this process."""

from __future__ import annotations

import gc
from typing import Any

from sidecar.app.sidecar import Sidecar
from sidecar.model.change import OneShot
from tests.app.turning import Panel, number, shows

MIB = 1 << 20


def garbage() -> None:
    """A cycle without references to it."""
    cycle: list[Any] = []
    cycle.append(cycle)


@shows("gc.threshold")
async def test_the_threshold_is_that_of_the_youngest_generation(live: Sidecar) -> None:
    """Collections are as frequent as the knob says; the thresholds of older generations stay."""
    panel = Panel(live)
    others = gc.get_threshold()[1:]
    panel.turn("gc.threshold", 200)
    assert gc.get_threshold()[0] == 200
    seen: list[int] = []

    def on_collection(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            seen.append(info["generation"])

    gc.callbacks.append(on_collection)
    try:
        kept: list[list[int]] = [[] for _ in range(2000)]
        often = len(seen)
        panel.turn("gc.threshold", 1_000_000)
        kept += [[] for _ in range(2000)]
    finally:
        gc.callbacks.remove(on_collection)
    assert often >= 5
    assert len(seen) == often
    assert gc.get_threshold() == (1_000_000, *others)


@shows("gc.frozen")
async def test_freezing_takes_what_is_there_out_of_sight(live: Sidecar) -> None:
    """Raising the knob freezes once, after a collection; lowering it unfreezes all. Turning other
    knobs freezes nothing.
    """
    panel = Panel(live)
    gc.unfreeze()
    garbage()
    panel.turn("gc.frozen", 1)
    first = gc.get_freeze_count()
    assert first > 10_000
    assert gc.collect() == 0
    kept: list[list[int]] = [[] for _ in range(1000)]
    panel.turn("promote_after", 3)
    assert gc.get_freeze_count() <= first
    panel.turn("gc.frozen", 2)
    assert gc.get_freeze_count() >= first + len(kept) // 2
    panel.turn("gc.frozen", 0)
    assert gc.get_freeze_count() == 0


@shows("collect")
async def test_collecting_says_what_went(live: Sidecar) -> None:
    """All generations are collected."""
    gc.collect()
    for _ in range(10):
        garbage()
    figures = await live.actuators.perform(OneShot("collect"))
    assert number(figures, "collected_objects") >= 10
    assert number(figures, "pause_seconds") > 0


@shows("release_memory")
async def test_released_memory_goes_back_to_the_system(live: Sidecar) -> None:
    """Small blocks between others that stay: the allocator keeps their pages until told to free
    them.
    """
    blocks = [bytes(8 << 10) for _ in range(8 << 10)]
    kept = blocks[::64]
    del blocks
    figures = await live.actuators.perform(OneShot("release_memory"))
    before = number(figures, "resident_before_bytes")
    assert before - number(figures, "resident_after_bytes") > 30 * MIB
    assert figures["heap"] == "trimmed"
    assert len(kept) == 128
