"""Imports libraries without the parts that the sidecar does not need."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType


@contextmanager
def without(name: str, stand_in: ModuleType | None = None) -> Iterator[None]:
    """Make imports in this context find `stand_in` instead of a module; None means not installed.

    A module that is already imported stays.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = stand_in  # type: ignore[assignment]  # None marks what must not be found
    try:
        yield
    finally:
        del sys.modules[name]


@contextmanager
def hollow(*packages: str) -> Iterator[None]:
    """Make imports in this context find modules of these packages without running the packages' own
    `__init__`.

    For packages that import all of their modules while few are used. List an outer package before
    an inner one. Later imports still get the whole package.
    """
    missing = [name for name in packages if name not in sys.modules]
    for name in missing:
        spec = find_spec(name)  # the path of an inner package comes from the outer one
        if spec is None or spec.submodule_search_locations is None:
            raise ModuleNotFoundError(f"No package named {name!r}", name=name)
        package = ModuleType(name)
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules[name] = package
        outer, _, inner = name.rpartition(".")
        if outer in missing:
            setattr(sys.modules[outer], inner, package)
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]
