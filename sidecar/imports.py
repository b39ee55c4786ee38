"""Imports without what a library takes along and no sidecar needs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
