"""Which entries an invalidation covers.

Invalidating a million keys must take effect at once, but finding them is a scan. So only the scope
and its write number are stored: an entry is invalidated if a scope that contains it has a later
number. A sweep frees the space later; then the scope can be dropped.
"""

from __future__ import annotations


class Invalidations:
    """Scopes (prefixes of full keys), each with a write number that invalidates all earlier ones.

    `covers` costs one lookup for each distinct length among the scopes.
    """

    def __init__(self) -> None:
        self._seq_of: dict[bytes, int] = {}
        self._lengths: dict[int, int] = {}  # length of a scope -> number of scopes
        self.any = False  # an attribute, since every read needs it

    def add(self, scope: bytes, seq: int) -> None:
        if scope not in self._seq_of:
            self._lengths[len(scope)] = self._lengths.get(len(scope), 0) + 1
        self._seq_of[scope] = max(seq, self._seq_of.get(scope, 0))
        self.any = True

    def covers(self, key: bytes, seq: int) -> bool:
        """Whether the version `seq` of `key` has been invalidated."""
        return any(seq < self._seq_of.get(key[:length], 0) for length in self._lengths)

    def forget(self, up_to_seq: int) -> list[bytes]:
        """Drop the scopes numbered up to `up_to_seq` (a sweep has removed all they cover)."""
        done = [scope for scope, seq in self._seq_of.items() if seq <= up_to_seq]
        for scope in done:
            del self._seq_of[scope]
            left = self._lengths[len(scope)] - 1
            if left:
                self._lengths[len(scope)] = left
            else:
                del self._lengths[len(scope)]
        self.any = bool(self._seq_of)
        return done

    def __len__(self) -> int:
        return len(self._seq_of)

    @property
    def newest(self) -> int:
        return max(self._seq_of.values(), default=0)
