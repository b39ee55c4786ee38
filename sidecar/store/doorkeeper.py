"""Remembers which keys have come lately, so that what comes only once can be told from the rest.

The doorkeeper of TinyLFU (Einziger, Friedman, Manes: "TinyLFU: A Highly Efficient Cache Admission
Policy", ACM Transactions on Storage 13(4), 2017): a Bloom filter that is cleared when it is full.
"""

from __future__ import annotations

BYTES = 128 << 10
MOST_KEYS = BYTES * 8 // 10
"""Ten bits for each key, of which it sets four: one new key in 80 is taken for a known one."""


class Doorkeeper:
    """The last MOST_KEYS different keys at most; half a microsecond for each that comes."""

    def __init__(self) -> None:
        self._bits = bytearray(BYTES)
        self._keys = 0

    def knows(self, key: bytes) -> bool:
        """Whether the key has come before; from now on it has.

        The hash is Python's own: the tiers' dicts have had it computed already, and it is salted.
        One is enough for four places (Kirsch, Mitzenmacher: "Less Hashing, Same Performance",
        2006).
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
