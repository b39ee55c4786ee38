"""Least frequently used: the key with the fewest uses since its insertion leaves first.

Shah, Mitra, Matani, "An O(1) algorithm for implementing the LFU cache eviction scheme", 2010.
A key's count is dropped with the key. Keys with equal counts leave in LRU order. Counts do not
decay, so keys that were popular once stay; TinyLFU removes this weakness. A replaced value counts
as a use.

Deviations: keys with equal counts form an LRU queue (the paper does not define their order). The
newest key is not evicted while there is another, since the paper evicts before an insertion, and a
tier afterwards.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from operator import itemgetter
from typing import ClassVar

from sidecar.model.metadata import ACCESSED_AT, FREQUENCY
from sidecar.policies.spec import PolicySpec, Score


class _Bucket:
    """The keys with one count, least recently used first, linked to the neighboring buckets."""

    __slots__ = ("above", "below", "count", "keys")

    def __init__(self, count: int) -> None:
        self.count = count
        self.keys: OrderedDict[bytes, None] = OrderedDict()
        self.below = self.above = self

    def above_with(self, count: int) -> _Bucket:
        """The bucket of `count`, which belongs directly above; created if missing."""
        above = self.above
        if above.count == count:
            return above
        bucket = _Bucket(count)
        bucket.below, bucket.above = self, above
        self.above = above.below = bucket
        return bucket

    def drop(self, key: bytes) -> None:
        """Remove the key, and unlink the bucket if it is empty."""
        del self.keys[key]
        if not self.keys:
            self.below.above, self.above.below = self.above, self.below


class Lfu:
    """Buckets ordered by count, in a ring that starts and ends at an empty bucket."""

    name: ClassVar[str] = "lfu"
    overhead_bytes: ClassVar[int] = 325

    def __init__(self) -> None:
        self._root = _Bucket(0)
        self._buckets: dict[bytes, _Bucket] = {}
        self._newest = b""

    def insert(self, key: bytes, expires_at: float) -> None:
        self._put(key, self._root.above_with(1))
        self._newest = key

    def hit(self, key: bytes) -> None:
        bucket = self._buckets[key]
        self._put(key, bucket.above_with(bucket.count + 1))
        bucket.drop(key)

    def update(self, key: bytes, expires_at: float) -> None:
        self.hit(key)

    def remove(self, key: bytes) -> None:
        self._buckets.pop(key).drop(key)

    def evict(self) -> bytes:
        for key in self:
            self.remove(key)
            return key
        raise KeyError("no key to evict")

    def resize(self, capacity: int) -> None:
        pass

    def __len__(self) -> int:
        return len(self._buckets)

    def __contains__(self, key: object) -> bool:
        return key in self._buckets

    def __iter__(self) -> Iterator[bytes]:
        newest = self._newest
        bucket = self._root.above
        while bucket is not self._root:
            for key in bucket.keys:
                if key != newest:
                    yield key
            bucket = bucket.above
        if newest in self._buckets:
            yield newest

    def check(self) -> None:
        """Buckets ascend in count, none is empty, and each key is in the bucket it points to."""
        count, bucket, keys = 0, self._root.above, 0
        while bucket is not self._root:
            assert bucket.below.above is bucket
            assert bucket.count > count
            assert bucket.keys
            assert all(self._buckets[key] is bucket for key in bucket.keys)
            count, bucket, keys = bucket.count, bucket.above, keys + len(bucket.keys)
        assert keys == len(self._buckets)

    def _put(self, key: bytes, bucket: _Bucket) -> None:
        bucket.keys[key] = None
        self._buckets[key] = bucket


score: Score = itemgetter(FREQUENCY, ACCESSED_AT)

SPEC = PolicySpec(
    name=Lfu.name,
    meaning="the least frequently used entry",
    make=lambda capacity, *, rng: Lfu(),
    traits=frozenset({"reads", "scan_resistant"}),
    score="sidecar.policies.lfu:score",
    check=Lfu.check,
)
