"""`warmers.yaml`: reserved. This version has no warmers, and rejects a document that names one."""

from __future__ import annotations

from sidecar.config.errors import FieldError
from sidecar.config.tree import Node
from sidecar.config.values import WARMERS_KEY


def find_named(root: Node) -> list[FieldError]:
    """An error unless the text has only comments and an empty `warmers:`."""
    if not root.value or root.value in _EMPTY:
        return []
    path = tuple(root.children)[:1]
    why = (
        "this version does not support warmers (it restores the hottest keys by itself); remove it"
    )
    return [FieldError.at(WARMERS_KEY, root.line_of(path), path, why)]


_EMPTY: tuple[object, ...] = ({"warmers": None}, {"warmers": []}, {"warmers": {}})
