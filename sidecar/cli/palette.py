"""The colours of the tiers: the same in the terminal, on the console page and in the dashboards.

Distinguishable with colour blindness (Okabe and Ito, Color Universal Design, 2008).
"""

from __future__ import annotations

from rich.console import Console
from rich.theme import Theme

TIERS = {"l1": "#0072B2", "l2": "#009E73", "l3": "#E69F00"}
_COLOURS = {**TIERS, "miss": "#7F7F7F"}
_OF_SIXTEEN = {"l1": "blue", "l2": "green", "l3": "yellow", "miss": "bright_black"}
"""For terminals with 16 colours, as under `kubectl exec`. Rich would map blue and green to cyan."""


def paint(console: Console) -> Console:
    """Add the styles `l1`, `l2`, `l3` and `miss` to a console."""
    colours = _OF_SIXTEEN if console.color_system == "standard" else _COLOURS
    console.push_theme(Theme(dict(colours)))
    return console
