"""`warmers.yaml`: a place that is kept. There are no warmers yet, and naming one is a mistake."""

from __future__ import annotations

from sidecar.config.errors import FieldError
from sidecar.config.tree import Node
from sidecar.config.values import WARMERS_KEY


def find_named(root: Node) -> list[FieldError]:
    """A mistake where the text has anything but comments and an empty `warmers:`."""
    if not root.value or root.value in _EMPTY:
        return []
    path = tuple(root.children)[:1]
    why = "there are no warmers in this version, the hottest keys are read back without; remove it"
    return [FieldError.at(WARMERS_KEY, root.line_of(path), path, why)]


_EMPTY: tuple[object, ...] = ({"warmers": None}, {"warmers": []}, {"warmers": {}})
