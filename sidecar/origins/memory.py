"""The memory that the bodies of fetches hold while they are received."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from sidecar.origins.errors import TooManyFetchesError

SMALL_BYTES = 64 << 10
"""What each fetch may hold uncounted, as small requests do."""


class Memory(Protocol):
    """The budget of all requests, as far as it is needed here."""

    def take(self, size: int) -> bool: ...

    def give(self, size: int) -> None: ...


class Held:
    """The memory of one fetch, given back at the end of the block."""

    __slots__ = ("_memory", "_taken")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._taken = 0

    def grow_to(self, size: int) -> None:
        """Raises TooManyFetchesError if there is not as much."""
        more = size - SMALL_BYTES - self._taken
        if more > 0:
            if not self._memory.take(more):
                raise TooManyFetchesError("There is no memory left for the origin's response.")
            self._taken += more

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._taken:
            self._memory.give(self._taken)
