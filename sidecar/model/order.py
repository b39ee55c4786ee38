"""The order in which keys are listed: that of their hashes, on disk and in memory alike.

Users can't influence it, so any part of it is a fair sample of all keys.
"""

from __future__ import annotations

from xxhash import xxh64_digest

HASH_BYTES = 8
HASHES = 1 << 8 * HASH_BYTES

hash_of = xxh64_digest
"""The hash of a full key, of HASH_BYTES. Rows of L3 begin with it."""
