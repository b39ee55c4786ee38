"""The picture of a run for the documentation: ratios as bars, bounds as marks.

Written by hand, since an SVG of rectangles needs no library. It follows the reader's light or dark
colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from tests.bench.measuring import Result
from tests.bench.report import Report

WIDTH, BAR, STEP, HEADING = 860, 14, 24, 34
MARGIN, NUMBERS, LEFT = 16, 440, 460
"""Where labels begin, numbers end and bars begin."""
MOST = 3.0
"""The ratio at the right end; a longer bar is cut off, its number is not."""
UNIT = (WIDTH - LEFT - MARGIN) / MOST
STYLE = """
svg { --back: #ffffff; --text: #1f2328; --quiet: #59636e; --bar: #2f7ed8; --mark: #bc4c00; }
@media (prefers-color-scheme: dark) {
  svg { --back: #0d1117; --text: #f0f6fc; --quiet: #9198a1; --bar: #4a94e6; --mark: #f0883e; }
}
text { font: 13px system-ui, sans-serif; fill: var(--text); }
.heading { font-weight: 600; }
.number { text-anchor: end; }
.quiet { fill: var(--quiet); }
.bar { fill: var(--bar); }
.one { stroke: var(--quiet); stroke-dasharray: 2 3; }
.mark { stroke: var(--mark); stroke-width: 3; }
"""
HEADINGS = {
    "http": "against a bare aiohttp application over a dict",
    "diskcache": "against diskcache behind the same application",
    "redis": "against Redis",
    "memcached": "against memcached",
    "resp": "over the Redis protocol, against Redis, memcached and diskcache",
    "self": "against itself without metrics, optimizer or slow disk",
    "overload": "with many connections that always ask again, against 16",
    "ops-attack": "beside an attack on the ops port, against none",
    "memory": "memory, against Redis: less is better",
    "keys": "against ten thousand keys",
}


def picture(run: Report) -> str:
    """Groups and cases without a ratio are left out."""
    body: list[str] = []
    y = 44.0
    for group, results in run.results.items():
        shown = [result for result in results if result.ratio is not None]
        if not shown:
            continue
        body.append(_text(MARGIN, y + 14, HEADINGS[group], "heading"))
        top = y + HEADING - 8
        for number, result in enumerate(shown):
            body += _row(result, top + number * STEP)
        bottom = top + len(shown) * STEP
        x = LEFT + UNIT
        body.append(f'<line class="one" x1="{x:g}" x2="{x:g}" y1="{top:g}" y2="{bottom:g}"/>')
        y = bottom + 10
    what = "Operations per second of processor time, in relation to the peer; marks: what must hold"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 10:g}" role="img">\n'
        f"<title>{what}</title>\n<style>{STYLE}</style>\n"
        f'<rect width="100%" height="100%" style="fill: var(--back)"/>\n'
        f"{_text(MARGIN, 28, what, 'quiet')}\n" + "\n".join(body) + "\n</svg>\n"
    )


def _row(result: Result, y: float) -> Iterator[str]:
    assert result.ratio is not None
    length = min(result.ratio, MOST) * UNIT
    middle = y + BAR / 2 + 5
    yield _text(MARGIN, middle, result.what)
    yield _text(NUMBERS, middle, f"{result.ratio:.2f}", "number")
    yield f'<rect class="bar" x="{LEFT}" y="{y:g}" width="{length:.1f}" height="{BAR}" rx="2"/>'
    for verdict in result.verdicts:
        bound = verdict.bound
        if bound.figure == result.figure and bound.of == "ratio":
            x = LEFT + bound.limit * UNIT
            yield (
                f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" '
                f'y1="{y - 3:g}" y2="{y + BAR + 3:g}"/>'
            )


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:g}"{style}>{escape(text)}</text>'
