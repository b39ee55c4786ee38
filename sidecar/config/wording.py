"""Quotes an operator's text in errors: on one line, bounded, without invisible characters."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable

_LONGEST = 60
_MANY, _FEW = 20, 5
_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")


def shown(value: object) -> str:
    """A value as in the document: text in quotes, cut if long, unprintable characters escaped."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if not isinstance(value, str):
        return json.dumps(value) if value is None or isinstance(value, bool) else str(value)
    cut = value if len(value) <= _LONGEST else value[:_LONGEST] + "..."
    return printable(json.dumps(cut, ensure_ascii=False))


def printable(text: str) -> str:
    """The text with every unprintable character escaped."""
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
    """What to write instead of an unknown word: a similar known word, or any of them."""
    # Imported here, since most sidecars never report an error: it takes 0.15 MiB.
    from difflib import get_close_matches  # noqa: PLC0415

    if not known:
        return "remove it"
    if close := get_close_matches(word[:_LONGEST], known, n=1):
        return f"did you mean {close[0]}?"
    if len(known) > _MANY:
        few = get_close_matches(word[:_LONGEST], known, n=_FEW, cutoff=0.0)
        return f"write for example {', '.join(few)}"
    return f"write one of {', '.join(sorted(known))}"
