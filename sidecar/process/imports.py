"""Imports without what a library takes along and no sidecar needs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType


@contextmanager
def without(name: str, stand_in: ModuleType | None = None) -> Iterator[None]:
    """Let imports inside find `stand_in` in a module's place; with None, that it is not installed.

    A module that is there already stays.
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
    """Let imports inside find modules of these packages without running the packages' own code.

    For packages that import all of their parts while few are used. An outer package stands before
    an inner one. What imports one of them later still gets the whole.
    """
    missing = [name for name in packages if name not in sys.modules]
    for name in missing:
        spec = find_spec(name)  # of an inner one, the path is asked of the hollow one around it
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
