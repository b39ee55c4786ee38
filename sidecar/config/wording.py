"""How errors quote what an operator wrote: on one line, bounded, and with nothing invisible."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

_LONGEST = 60
_MANY, _FEW = 20, 5
_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")


def shown(value: object) -> str:
    """A value as the document has it: text in quotes, cut when long, unprintable parts escaped."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if not isinstance(value, str):
        return json.dumps(value) if value is None or isinstance(value, bool) else str(value)
    cut = value if len(value) <= _LONGEST else value[:_LONGEST] + "..."
    return printable(json.dumps(cut, ensure_ascii=False))


def printable(text: str) -> str:
    """The text with every character that is none on paper written as its escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def key_path(steps: Iterable[str | int]) -> str:
    """`tiers.l2.max_bytes`, `rules[0]`, `tiers."odd key"`."""
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += ("." if path else "") + (step if _NAME.fullmatch(step) else shown(step))
    return path


def nearest(word: str, known: Collection[str]) -> str:
    """What to write instead of an unknown word: the known one that is like it, or any of them."""
    if not known:
        return "remove it"
    if close := get_close_matches(word[:_LONGEST], known, n=1):
        return f"did you mean {close[0]}?"
    if len(known) > _MANY:
        few = get_close_matches(word[:_LONGEST], known, n=_FEW, cutoff=0.0)
        return f"write for example {', '.join(few)}"
    return f"write one of {', '.join(sorted(known))}"
