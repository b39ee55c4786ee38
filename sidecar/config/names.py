"""Names that were meant to be others.

A misspelt name of a document's key or of an option would silently bring the default into force.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import PurePath

from sidecar.config.values import DOCUMENT_KEYS

_ENDINGS = (".yaml", ".yml", ".json")
_NAME = re.compile(r"(?P<stem>.+)[-_ .](?P<ending>[a-z]+)")
_STEMS = {PurePath(key).stem: key for key in DOCUMENT_KEYS}
ALIKE = 0.8
"""The least similarity of a misspelt name: one wrong letter in five, or two in the wrong order."""


def key_meant(name: str) -> str | None:
    """The key of a document that a key of a ConfigMap, or a file, was meant to be; None if it is
    one, or something else. Files with a leading dot, and copies with another ending, are not meant.
    """
    found = _NAME.fullmatch(name.lower().strip().removesuffix(".txt"))  # some editors add it
    if name in DOCUMENT_KEYS or name.startswith(".") or found is None:
        return None
    if name_meant(f".{found['ending']}", _ENDINGS) is None:
        return None
    stem = name_meant(found["stem"], _STEMS)
    return None if stem is None else _STEMS[stem]


def name_meant(name: str, known: Collection[str]) -> str | None:
    """The known name that is the most similar, if one is similar."""
    return next(iter(get_close_matches(name, known, 1, ALIKE)), None)
