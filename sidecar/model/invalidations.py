"""Which entries an invalidation covers.

Invalidating a million keys must take effect at once, but finding them is a scan. So only the scope
and its write number are stored: an entry is invalidated if a scope that contains it has a later
number. A sweep frees the space later; then the scope can be dropped.
"""

from __future__ import annotations

from bisect import bisect_right

FEW_LENGTHS = 16


class Invalidations:
    """Scopes (prefixes of full keys), each with a write number that invalidates all earlier ones.

    Most are of few lengths, and `covers` looks one up for each length. With more lengths, keys in
    their order are divided into spans, each covered by the same scopes, and it takes one search.
    The spans are made when one is asked for, which takes as long as some hundred lookups.
    """

    def __init__(self) -> None:
        self._seq_of: dict[bytes, int] = {}
        self._lengths: dict[int, int] = {}  # length of a scope -> number of scopes
        self._starts: list[bytes] | None = []
        """The first key of each span but the first one; None where the scopes have changed."""
        self._seqs = [0]
        """The highest write number of the scopes that cover each span."""
        self.any = False  # an attribute, since every read needs it

    def add(self, scope: bytes, seq: int) -> None:
        if scope not in self._seq_of:
            self._lengths[len(scope)] = self._lengths.get(len(scope), 0) + 1
        self._seq_of[scope] = max(seq, self._seq_of.get(scope, 0))
        self._starts = None
        self.any = True

    def covers(self, key: bytes, seq: int) -> bool:
        """Whether the version `seq` of `key` has been invalidated."""
        if len(self._lengths) <= FEW_LENGTHS:
            return any(seq < self._seq_of.get(key[:length], 0) for length in self._lengths)
        starts = self._starts
        if starts is None:
            starts = self._divide()
        return seq < self._seqs[bisect_right(starts, key)]

    def copy(self) -> Invalidations:
        """Those of now, whatever is forgotten later."""
        same = Invalidations()
        for scope, seq in self._seq_of.items():
            same.add(scope, seq)
        return same

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
        self._starts = None
        self.any = bool(self._seq_of)
        return done

    def __len__(self) -> int:
        return len(self._seq_of)

    @property
    def newest(self) -> int:
        return max(self._seq_of.values(), default=0)

    def _divide(self) -> list[bytes]:
        """Make the spans. In order, a scope comes before those in it, which end before it does."""
        starts: list[bytes] = []
        seqs = [0]
        around: list[tuple[bytes, int]] = []  # the scopes that have not ended, innermost last

        def begin(start: bytes, seq: int) -> None:
            if starts and starts[-1] == start:
                seqs[-1] = seq
            else:
                starts.append(start)
                seqs.append(seq)

        def end() -> None:
            scope, _ = around.pop()
            if (behind := _behind(scope)) is not None:
                begin(behind, around[-1][1] if around else 0)

        for scope, seq in sorted(self._seq_of.items()):
            while around and not scope.startswith(around[-1][0]):
                end()
            seq = max(seq, around[-1][1] if around else 0)  # noqa: PLW2901
            around.append((scope, seq))
            begin(scope, seq)
        while around:
            end()
        self._starts, self._seqs = starts, seqs
        return starts


def _behind(scope: bytes) -> bytes | None:
    """The first key, in order, behind all that begin with it; None if there is none."""
    shortened = scope.rstrip(b"\xff")
    return shortened[:-1] + bytes((shortened[-1] + 1,)) if shortened else None
