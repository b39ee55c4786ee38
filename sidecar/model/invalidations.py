"""Which entries an invalidation covers.

Invalidating a million keys must take effect at once, but finding them is a scan. So only the scope
and its write number are stored: an entry is invalidated if a scope that contains it has a later
number. A sweep frees the space later; then the scope can be dropped. A scope that a wider and later
one includes is dropped at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right


class Invalidations:
    """Scopes (prefixes of full keys), each with a write number that invalidates all earlier ones.

    Keys in their order are divided into spans, each with the highest number of the scopes that
    cover it. `covers` is one search, whatever the number and the lengths of the scopes. `add`
    replaces the spans within a scope: two searches and a move of what is behind, some ten
    microseconds at thousands of scopes, and as long as the spans are many that it replaces.
    """

    def __init__(self) -> None:
        self._seq_of: dict[bytes, int] = {}
        self._starts: list[bytes] = []
        """The first key of each span but the first one. Every scope begins one."""
        self._seqs = [0]
        """The number of each span; 0 where no scope covers it."""
        self.size_bytes = 0
        """Of all scopes."""
        self.any = False  # an attribute, since every read needs it

    def add(self, scope: bytes, seq: int) -> list[bytes]:
        """Invalidate what begins with it and is older. Returns the scopes that are dropped, since
        this one includes them; it is not added itself if a later one includes it.
        """
        if self.covers(scope, seq):
            return []
        first, behind = bisect_left(self._starts, scope), _behind(scope)
        last = len(self._starts) if behind is None else bisect_left(self._starts, behind, first)
        within = self._starts[first:last]
        starts, seqs = [scope], [seq]
        for start, old in zip(within, self._seqs[first + 1 : last + 1], strict=True):
            if old > seq or seqs[-1] > seq:  # an older one may be added late
                starts.append(start)
                seqs.append(max(old, seq))
        if behind is not None and self._starts[last : last + 1] != [behind]:
            starts.append(behind)
            seqs.append(self._seqs[last])
        self._starts[first:last] = starts
        self._seqs[first + 1 : last + 1] = seqs
        included = [each for each in within if self._seq_of.get(each, seq + 1) <= seq]
        for each in included:
            self._drop(each)
        self._seq_of[scope] = seq
        self.size_bytes += len(scope)
        self.any = True
        return [each for each in included if each != scope]

    def covers(self, key: bytes, seq: int) -> bool:
        """Whether the version `seq` of `key` has been invalidated."""
        return seq < self._seqs[bisect_right(self._starts, key)]

    def copy(self) -> Invalidations:
        """Those of now, whatever is forgotten later."""
        same = Invalidations()
        same._seq_of = self._seq_of.copy()
        same._starts, same._seqs = self._starts.copy(), self._seqs.copy()
        same.size_bytes, same.any = self.size_bytes, self.any
        return same

    def forget(self, up_to_seq: int) -> list[bytes]:
        """Drop the scopes numbered up to `up_to_seq` (a sweep has removed all they cover)."""
        done = [scope for scope, seq in self._seq_of.items() if seq <= up_to_seq]
        for scope in done:
            self._drop(scope)
        self.any = bool(self._seq_of)
        if done:
            self._clear_spans(up_to_seq)
        return done

    def __len__(self) -> int:
        return len(self._seq_of)

    @property
    def newest(self) -> int:
        return max(self._seq_of.values(), default=0)

    def _drop(self, scope: bytes) -> None:
        del self._seq_of[scope]
        self.size_bytes -= len(scope)

    def _clear_spans(self, up_to_seq: int) -> None:
        """No scope covers those any more that have a number up to this one."""
        starts: list[bytes] = []
        seqs = [0]
        if self._seq_of:
            for start, seq in zip(self._starts, self._seqs[1:], strict=True):
                left = seq if seq > up_to_seq else 0
                if left or seqs[-1]:
                    starts.append(start)
                    seqs.append(left)
        self._starts, self._seqs = starts, seqs


def _behind(scope: bytes) -> bytes | None:
    """The first key, in order, behind all that begin with it; None if there is none."""
    shortened = scope.rstrip(b"\xff")
    return shortened[:-1] + bytes((shortened[-1] + 1,)) if shortened else None
