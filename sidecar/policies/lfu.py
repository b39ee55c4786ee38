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
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import ClassVar, Generic

from sidecar.model.metadata import ACCESSED_AT, FREQUENCY
from sidecar.policies.protocol import N
from sidecar.policies.spec import PolicySpec, Score


class _Bucket(Generic[N]):
    """The nodes with one count, least recently used first, linked to the neighboring buckets."""

    __slots__ = ("above", "below", "count", "nodes")

    def __init__(self, count: int) -> None:
        self.count = count
        self.nodes: OrderedDict[bytes, N] = OrderedDict()
        self.below = self.above = self


class Lfu(Generic[N]):
    """Buckets by count, in a ring that starts and ends at an empty one.

    A node's mark is its count.
    """

    name: ClassVar[str] = "lfu"
    overhead_bytes: ClassVar[int] = 320

    def __init__(self) -> None:
        self._root: _Bucket[N] = _Bucket(0)
        self._buckets: dict[int, _Bucket[N]] = {0: self._root}
        self._nodes: dict[bytes, N] = {}
        self._newest = b""
        self.get = self._nodes.get

    def insert(self, node: N) -> None:
        self._nodes[node.key] = node
        self._newest = node.key
        self._put(node, self._root)

    def hit(self, node: N) -> None:
        bucket = self._buckets[node.mark]
        self._put(node, bucket)
        self._drop(node.key, bucket)

    def replace(self, old: N, new: N) -> None:
        bucket = self._buckets[old.mark]
        self._nodes[old.key] = new
        self._put(new, bucket)
        self._drop(old.key, bucket)

    def remove(self, node: N) -> None:
        del self._nodes[node.key]
        self._drop(node.key, self._buckets[node.mark])

    def evict(self) -> N:
        for node in self:
            self.remove(node)
            return node
        raise KeyError("no key to evict")

    def resize(self, capacity: int) -> None:
        pass

    def __len__(self) -> int:
        return len(self._nodes)

    def keys(self) -> Iterable[bytes]:
        return self._nodes.keys()

    def __iter__(self) -> Iterator[N]:
        newest = self._newest
        bucket = self._root.above
        while bucket is not self._root:
            for node in bucket.nodes.values():
                if node.key != newest:
                    yield node
            bucket = bucket.above
        if newest in self._nodes:
            yield self._nodes[newest]

    def check(self) -> None:
        """Buckets ascend in count, none is empty, and each node has the count of its bucket."""
        count, bucket, nodes = 0, self._root.above, 0
        while bucket is not self._root:
            assert bucket.below.above is bucket
            assert bucket.count > count
            assert self._buckets[bucket.count] is bucket
            assert bucket.nodes
            assert all(node.mark == bucket.count for node in bucket.nodes.values())
            count, bucket, nodes = bucket.count, bucket.above, nodes + len(bucket.nodes)
        assert nodes == len(self._nodes)

    def _put(self, node: N, below: _Bucket[N]) -> None:
        """Put a node into the bucket directly above `below`, which is made if it is missing."""
        count, bucket = below.count + 1, below.above
        if bucket.count != count:
            bucket = self._buckets[count] = _Bucket(count)
            bucket.below, bucket.above = below, below.above
            below.above.below = below.above = bucket
        bucket.nodes[node.key] = node
        node.mark = bucket.count  # the bucket's own number: no further object for each node

    def _drop(self, key: bytes, bucket: _Bucket[N]) -> None:
        """Remove a key from its bucket, and an empty bucket from the ring."""
        del bucket.nodes[key]
        if not bucket.nodes:
            bucket.below.above, bucket.above.below = bucket.above, bucket.below
            del self._buckets[bucket.count]


score: Score = itemgetter(FREQUENCY, ACCESSED_AT)

SPEC = PolicySpec(
    name=Lfu.name,
    meaning="the least frequently used entry",
    make=lambda capacity, *, rng: Lfu(),
    traits=frozenset({"reads", "scan_resistant"}),
    score="sidecar.policies.lfu:score",
    check=Lfu.check,
)
