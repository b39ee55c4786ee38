"""What L3 stores about an entry beside its value, by position: what eviction and expiry look at."""

from __future__ import annotations

from typing import Final

Metadata = tuple[int, float, float, int, int]
"""The write's number, when the entry expires and when it was last used (wall clock seconds), its
hits, and its logical bytes. A plain tuple, since eviction unpacks five for each victim."""
SEQ: Final = 0
EXPIRES_AT: Final = 1
ACCESSED_AT: Final = 2
FREQUENCY: Final = 3
SIZE: Final = 4
