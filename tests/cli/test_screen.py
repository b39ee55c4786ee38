"""The calculations and drawings of `top`, without a sidecar."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping, Sequence

import pytest
from msgspec.structs import replace
from rich.console import Console

from sidecar.catalogue import CATALOGUE
from sidecar.cli.counted import L3Health, ProtocolCounts, Stats, TierCounts, growth
from sidecar.cli.figures import Readings
from sidecar.cli.palette import TIERS, paint
from sidecar.cli.plot import Plot
from sidecar.cli.screen import Screen, allot
from sidecar.cli.stats import protocol
from tests.cli.examples import HOT, watched

EMPTY = TierCounts(
    enabled=True,
    policy="lru",
    entries=0,
    max_entries=100,
    used_bytes=0,
    max_bytes=1024,
    hits=0,
    misses=0,
    expired=0,
    evictions=0,
)
L3 = L3Health(state="up", folder_bytes=0, pending_compaction_bytes=0, waiting=0, timeouts=0)


def stats(l1_hits: int, l2_hits: int, misses: int, evictions: int = 0) -> Stats:
    """Statistics of lookups that L1, L2 or no tier answered."""
    l1 = replace(EMPTY, hits=l1_hits, misses=l2_hits + misses, evictions=evictions)
    l2 = replace(EMPTY, hits=l2_hits, misses=misses)
    l3 = replace(EMPTY, misses=misses)
    hits = l1_hits + l2_hits
    ratio = hits / (hits + misses) if hits + misses else 0.0
    return Stats(ratio, hits, misses, {"l1": l1, "l2": l2, "l3": l3}, L3)


def drawn(
    points: Sequence[Mapping[str, float]], height: int, encoding: str = "utf-8", columns: int = 8
) -> list[str]:
    """The plot in plain text, without colours."""
    with io.TextIOWrapper(io.BytesIO(), encoding=encoding) as out:
        paint(Console(file=out, width=columns)).print(Plot(points, list(TIERS), height))
        out.seek(0)
        return [line.rstrip() for line in out.read().splitlines()]


def test_growth_is_that_between_two_looks() -> None:
    """Shares of the lookups in between, not since the start; each tier relative to those that
    reached it.
    """
    grown = growth(stats(100, 100, 100), stats(160, 120, 120, evictions=5), 2.0)
    assert grown is not None
    assert grown.lookups_per_second == 50
    assert grown.hit_ratio == 0.8
    assert grown.shares == {"l1": 0.6, "l2": 0.2, "l3": 0.0, "miss": 0.2}
    assert grown.tiers["l1"].hits_per_second == 30
    assert grown.tiers["l1"].evictions_per_second == 2.5
    assert grown.tiers["l2"].hit_ratio == 0.5


def test_without_lookups_there_is_no_ratio() -> None:
    grown = growth(stats(100, 100, 100), stats(100, 100, 100), 2.0)
    assert grown is not None
    assert (grown.lookups_per_second, grown.hit_ratio, grown.shares) == (0, None, {})


def test_counters_that_fall_are_those_of_another_process() -> None:
    """This holds even if only one of them has fallen so far."""
    assert growth(stats(100, 100, 100), stats(0, 0, 0), 2.0) is None
    assert growth(stats(1, 0, 1, evictions=1), stats(500, 500, 500), 2.0) is None


def test_a_plot_is_stacked_from_the_bottom_in_eighths() -> None:
    """The newest point is on the right, and there are as many points as fit."""
    points = [{"l1": 1.0}, {"l1": 0.5}, {}, {"l1": 0.25, "l2": 0.25, "l3": 0.125}]
    assert drawn(points, 2) == ["100%   ▂", "  0% █ █"]


@pytest.mark.parametrize("height", [1, 4, 12])
def test_bands_that_meet_in_a_cell_are_ink_and_ground(height: int) -> None:
    """Half L1 and half L3: one block, blue on amber, if the cell is the whole plot."""
    console = paint(Console(force_terminal=True, color_system="truecolor", width=6, _environ={}))
    [*segments] = console.render(Plot([{"l1": 0.5, "l3": 0.5}], list(TIERS), height))
    cells = [(part.text, part.style) for part in segments if part.text.strip(" \n%01")]
    colours = {colour for _, style in cells if style for colour in (style.color, style.bgcolor)}
    names = {colour.name for colour in colours if colour is not None}
    assert names == {TIERS["l1"].lower(), TIERS["l3"].lower()}
    assert [text for text, _ in cells] == ["▄"] if height == 1 else ["█"] * height


def test_a_plot_does_without_blocks_and_colours() -> None:
    """On a terminal without Unicode, a cell that is at least half full is drawn full."""
    assert drawn([{"l1": 0.5, "l2": 0.2}], 2, "ascii") == ["100%", "  0%   #"]


@pytest.mark.parametrize("height", [5, 24, 25, 40, 200])
def test_more_rows_show_more(height: int) -> None:
    """No part gets more rows than it needs, or fewer than its minimum; together they fill the
    screen.
    """
    wanted = {"plot": 12, "rules": 8, "outcomes": 500}
    rows = allot(height, wanted)
    assert all(rows[name] <= wanted[name] for name in wanted)
    assert rows["plot"] >= 3
    assert rows["rules"] >= 3
    assert rows["outcomes"] >= 2
    if height >= 24:
        assert sum(rows.values()) == height - 16
    assert allot(height, {"plot": 12, "rules": 0, "outcomes": 0})["rules"] == 0


def test_requests_grow_by_protocol() -> None:
    """Those of a protocol that falls are of another process."""

    def with_requests(http: int, resp: int) -> Stats:
        its = {"http": http, "resp": resp}
        protocols = {name: ProtocolCounts(True, None, 1, count, 0) for name, count in its.items()}
        return replace(stats(1, 1, 1), protocols=protocols)

    grown = growth(with_requests(10, 20), with_requests(14, 40), 2.0)
    assert grown is not None
    assert grown.requests_per_second == {"http": 2.0, "resp": 10.0}
    assert growth(with_requests(10, 20), with_requests(14, 2), 2.0) is None
    assert growth(stats(1, 1, 1), with_requests(10, 20), 2.0) is None


@pytest.mark.parametrize(("width", "fits"), [(120, True), (40, False)])
def test_hot_keys_are_shown_in_one_line_without_what_controls_a_terminal(
    width: int, *, fits: bool
) -> None:
    """As many as fit; the rest is cut."""
    watch = watched()
    odd = replace(HOT[1], key="a\x1b[2J\nb")
    watch.latest = dataclasses.replace(watch.latest, hot=[HOT[0], odd])
    with io.StringIO() as out:
        screen = Screen(watch, Readings(CATALOGUE.signals), 2.0)
        paint(Console(file=out, width=width, height=24)).print(screen)
        lines = out.getvalue().splitlines()
    assert len(lines) == 24
    [line] = [line for line in lines if line.startswith("hot keys")]
    assert "shop/page/1 1,234/s" in line
    assert "\x1b" not in line
    assert ("shop/a\\x1b[2J\\nb 31.5/s" in line) is fits


@pytest.mark.parametrize(("listening", "trouble"), [(False, "6379 is taken"), (False, None)])
def test_a_protocol_that_is_not_served_is_shown_so(listening: bool, trouble: str | None) -> None:
    """With the reason, or as off; on the screen and in `stats`."""
    watch = watched()
    its = ProtocolCounts(listening, trouble, 0, 0, 0)
    found = replace(watch.latest.stats, protocols=watch.latest.stats.protocols | {"resp": its})
    watch.latest = dataclasses.replace(watch.latest, stats=found)
    with io.StringIO() as out:
        screen = Screen(watch, Readings(CATALOGUE.signals), 2.0)
        paint(Console(file=out, width=80, height=24)).print(screen)
        [line] = [line for line in out.getvalue().splitlines() if line.startswith("Redis")]
    assert line.split(maxsplit=1)[1].rstrip() == (trouble or "off")
    assert str(protocol("resp", found)).endswith(trouble or ": off")
