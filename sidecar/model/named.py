"""Things that have a name of their own, by that name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol, TypeVar


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def by_name(kind: str, things: Iterable[N]) -> Mapping[str, N]:
    """The things in their order. Raises ValueError for two of one name; `kind` is their plural."""
    found: dict[str, N] = {}
    for thing in things:
        if thing.name in found:
            raise ValueError(f"two {kind} are named {thing.name}")
        found[thing.name] = thing
    return MappingProxyType(found)
