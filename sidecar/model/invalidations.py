"""Which entries an invalidation covers.

Invalidating a million keys must be exact at once, and finding them is a scan. So what is stored is
the scope and the number of the write: an entry is gone if a scope that it lies in has a later
number. The space is given back by a sweep, after which the scope can be forgotten.
"""

from __future__ import annotations


class Invalidations:
    """Scopes (prefixes of full keys) with the write number below which all in them is gone.

    `covers` costs one lookup for each distinct length among the scopes.
    """

    def __init__(self) -> None:
        self._seq_of: dict[bytes, int] = {}
        self._lengths: dict[int, int] = {}  # length of a scope -> how many have it
        self.any = False  # an attribute, since every read asks

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
