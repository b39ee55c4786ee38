"""Other packages use the store only through its methods and properties."""

from __future__ import annotations

import ast
from pathlib import Path

import sidecar

ROOT = Path(sidecar.__file__).parent
PARTS = {"disk", "memory", "l1", "l2", "invalidations"}
"""Attributes of `Store` for other modules in `store/`."""


def test_no_module_outside_the_store_uses_its_parts() -> None:
    """No module outside uses an attribute of a `store` that is meant for `store/`."""
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for file in ROOT.rglob("*.py")
        if file.parent.name != "store"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in PARTS
        and ast.unparse(node.value).endswith("store")
    ]
    assert not found
