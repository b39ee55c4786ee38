"""What a kind of source implements, and how it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from sidecar.config.section import Section
from sidecar.warmers.reach import Reach

PIECE_BYTES = 64 << 10
"""About how many bytes a source gives at a time."""


class SourceError(Exception):
    """The source can't be read. The message is a sentence that says why, without secrets."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The bytes of an open source: NDJSON or MessagePack. Reading them raises SourceError."""

    pieces: AsyncIterator[bytes]
    total_bytes: int | None = None
    """Their number, if it is known."""


class Source(Protocol):
    """A kind of source.

    `Options` are the keys below `source:`, one of which is called as the source. `options` are a
    valid instance of them.
    """

    name: ClassVar[str]
    Options: ClassVar[type[Section]]

    def find_fault(self, options: Any, reach: Reach) -> tuple[str, str] | None:
        """The key that names what it may not, and a sentence that says what to do; None if there is
        none. Reads nothing.
        """

    def open(self, options: Any, reach: Reach) -> AbstractAsyncContextManager[Stream]:
        """Begin to read. Raises SourceError. It must not block, and not hold more than a piece."""
