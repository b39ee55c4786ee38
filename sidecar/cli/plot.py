"""A small plot of shares over time, as stacked columns.

A terminal cell has a foreground and a background colour, so with block characters of one to eight
eighths it has eight steps and can show two adjacent shares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

_BLOCKS = " ▁▂▃▄▅▆▇█"
_MARGIN = 5
"""Columns of the labels on the left, such as `100%`."""

_Cell = tuple[str, Style]


@dataclass(frozen=True, slots=True)
class Plot:
    """Columns of shares from 0 to 1, newest on the right, as many as fit.

    `styles` are the names of the shares from the bottom, which are also the names of their styles.
    A point without shares is a gap. Without colours, only the sum is shown.
    """

    points: Sequence[Mapping[str, float]]
    styles: Sequence[str]
    height: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(0, options.max_width - _MARGIN)
        colours = [console.get_style(name).color for name in self.styles]
        told_apart = console.color_system is not None and not console.no_color
        columns = [
            _column(levels, self.height, colours, ascii_only=options.ascii_only)
            for levels in self._levels(width, told_apart=told_apart)
        ]
        blank = (" " * (width - len(columns)), Style.null())
        labels = {self.height - 1: "100%", 0: "0%"}
        for row in reversed(range(self.height)):
            yield Segment(f"{labels.get(row, ''):>{_MARGIN - 1}} ", Style(dim=True))
            yield from _merged([blank, *(column[row] for column in columns)])
            yield Segment.line()

    def _levels(self, width: int, *, told_apart: bool) -> Iterator[list[int]]:
        """For each column, the height of each share's upper edge in eighths of a cell."""
        for point in self.points[len(self.points) - min(width, len(self.points)) :]:
            total, levels = 0.0, []
            for name in self.styles:
                total += point.get(name, 0.0)
                levels.append(round(total * 8 * self.height))
            yield levels if told_apart else levels[-1:]


def _column(
    levels: list[int], height: int, colours: Sequence[Color | None], *, ascii_only: bool
) -> list[_Cell]:
    """The cells of a column, lowest first."""
    inks: list[Color | None] = [*colours, None] if len(levels) > 1 else [None, None]
    return [_cell(levels, 8 * row, inks, ascii_only=ascii_only) for row in range(height)]


def _cell(levels: list[int], floor: int, inks: list[Color | None], *, ascii_only: bool) -> _Cell:
    """The two largest bands in a cell, the lower one as a block on the other's colour. The last
    band is the rest above all shares and has no colour.
    """
    edges = [floor, *(min(max(level, floor), floor + 8) for level in levels), floor + 8]
    eighths = [above - below for below, above in pairwise(edges)]
    low, high = sorted(sorted(range(len(eighths)), key=lambda band: -eighths[band])[:2])
    if ascii_only or not (eighths[low] and eighths[high]):
        band = max(low, high, key=eighths.__getitem__)
        full = "#" if ascii_only else _BLOCKS[8]
        return (" " if band == len(levels) else full), Style(color=inks[band])
    part = max(1, min(7, round(8 * eighths[low] / (eighths[low] + eighths[high]))))
    return _BLOCKS[part], Style(color=inks[low], bgcolor=inks[high])


def _merged(cells: Sequence[_Cell]) -> Iterator[Segment]:
    """Merge neighbours of one style, which reduces a frame from about 100 KB to a few KB."""
    for style, run in groupby(cells, key=lambda cell: cell[1]):
        yield Segment("".join(text for text, _ in run), style)
