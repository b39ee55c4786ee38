"""Remembers recent keys, so that keys that occur only once can be recognized.

The doorkeeper of TinyLFU (Einziger, Friedman, Manes: "TinyLFU: A Highly Efficient Cache Admission
Policy", ACM Transactions on Storage 13(4), 2017): a Bloom filter that is cleared when it is full.
"""

from __future__ import annotations

BYTES = 128 << 10
MOST_KEYS = BYTES * 8 // 10
"""Ten bits per key, of which each key sets four: the false positive rate is 1 in 80."""


class Doorkeeper:
    """At most the last MOST_KEYS different keys; half a microsecond per call."""

    def __init__(self) -> None:
        self._bits = bytearray(BYTES)
        self._keys = 0

    def knows(self, key: bytes) -> bool:
        """Whether the key has been seen before. Adds the key.

        Uses Python's hash, which is salted and already computed for the tiers' dicts. One hash is
        enough for four positions (Kirsch, Mitzenmacher: "Less Hashing, Same Performance", 2006).
        """
        place = hash(key)
        step = place >> 32 | 1
        bits, known = self._bits, True
        for at in (place, place + step, place + 2 * step, place + 3 * step):
            byte, bit = (at >> 3) % BYTES, 1 << (at & 7)
            if not bits[byte] & bit:
                bits[byte] |= bit
                known = False
        if not known:
            self._keys += 1
            if self._keys >= MOST_KEYS:
                self._bits = bytearray(BYTES)
                self._keys = 0
        return known
