"""The metadata of an entry in L3, by position, as used by eviction and expiry."""

from __future__ import annotations

from typing import Final

Metadata = tuple[int, float, float, int, int] | tuple[int, float, float, int, int, bytes]
"""Write number, when it is gone, last use (both in wall clock seconds), hits, and logical bytes;
and of a version that has terms, what matters of them here. A plain tuple, since eviction unpacks
five for each victim."""
SEQ: Final = 0
GONE_AT: Final = 1
ACCESSED_AT: Final = 2
FREQUENCY: Final = 3
SIZE: Final = 4
