"""SIEVE: a queue in order of insertion, and a hand that evicts keys that were not visited.

Zhang, Yang, Yue, Vigfusson, Rashmi, "SIEVE is simpler than LRU: an efficient turn-key eviction
algorithm for web caches", NSDI 2024. The hand moves from the oldest key to the newest and starts
over. It clears the mark of visited keys, which keep their places, and evicts the first key without
a mark.

Deviations: the hand does not evict the newest key while there is another, since the paper evicts
before an insertion, and a tier afterwards. The paper's linked list is two queues here, split at the
hand: keys behind it, and keys ahead of it. A key that stays moves from one queue to the other and
keeps its rank, so the order is the same. Both queues are implemented in C, and so faster than a
linked list in Python.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import ClassVar

from sidecar.policies.spec import PolicySpec


class Sieve:
    """Two queues of keys and their marks, oldest key first.

    At least one key is ahead of the hand unless the policy is empty. `evict` is O(1) amortized:
    each further step clears a mark that a hit has set, so after hits on n keys one call may take n
    steps.
    """

    name: ClassVar[str] = "sieve"
    overhead_bytes: ClassVar[int] = 240

    def __init__(self) -> None:
        self._passed: OrderedDict[bytes, bool] = OrderedDict()
        self._ahead: OrderedDict[bytes, bool] = OrderedDict()
        self._newest = b""

    def insert(self, key: bytes, expires_at: float) -> None:
        self._ahead[key] = False
        self._newest = key

    def hit(self, key: bytes) -> None:
        queue = self._ahead if key in self._ahead else self._passed
        if not queue[key]:
            queue[key] = True

    def update(self, key: bytes, expires_at: float) -> None:
        self.hit(key)

    def remove(self, key: bytes) -> None:
        queue = self._ahead if key in self._ahead else self._passed
        del queue[key]
        if not self._ahead:
            self._start_over()

    def evict(self) -> bytes:
        visited = True
        while visited:
            key, visited = self._ahead.popitem(last=False)
            if visited:
                self._passed[key] = False
            # Here, not when the hand is needed next: by then more keys will have come in.
            if len(self._ahead) < 2 and (not self._ahead or self._newest in self._ahead):
                self._start_over()
        return key

    def resize(self, capacity: int) -> None:
        pass

    def __len__(self) -> int:
        return len(self._ahead) + len(self._passed)

    def __contains__(self, key: object) -> bool:
        return key in self._ahead or key in self._passed

    def __iter__(self) -> Iterator[bytes]:
        """Keys in the order of eviction without further visits; the newest last."""
        queues = (self._ahead, self._passed)
        for marked in (False, True):
            for queue in queues:
                for key, visited in queue.items():
                    if visited is marked and key != self._newest:
                        yield key
        if self._newest in self:
            yield self._newest

    def check(self) -> None:
        """A key is in one queue, and a key is ahead of the hand unless both queues are empty."""
        assert not self._ahead.keys() & self._passed.keys()
        assert self._ahead or not self._passed

    def _start_over(self) -> None:
        """Move the hand to the oldest key; O(1), since at most the newest is still ahead."""
        self._passed.update(self._ahead)
        self._ahead, self._passed = self._passed, OrderedDict()


SPEC = PolicySpec(
    name=Sieve.name,
    meaning="an entry without a visit, found by a moving hand",
    make=lambda capacity, *, rng: Sieve(),
    traits=frozenset({"reads", "scan_resistant"}),
    check=Sieve.check,
)
