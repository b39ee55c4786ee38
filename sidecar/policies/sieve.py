"""SIEVE: a queue in order of arrival, and a hand that sifts out what was not asked for.

Zhang, Yang, Yue, Vigfusson, Rashmi, "SIEVE is simpler than LRU: an efficient turn-key eviction
algorithm for web caches", NSDI 2024. The hand moves from the oldest key to the newest and starts
over; it spares visited keys, where they stand, takes their mark, and stops at the first without
one, which leaves.

Deviations: the hand never takes the newest key while there is another, as the paper evicts before
it inserts and a tier after. The paper's linked list is two queues here, cut at the hand: what it
has passed, and what is ahead of it. A key that is spared changes queues and keeps its rank, so the
order is the paper's. Both queues and all moves are C code, which no linked list in Python can be.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import ClassVar

from sidecar.policies.spec import PolicySpec


class Sieve:
    """Two queues, oldest key first, of keys and whether they were visited.

    A key is ahead of the hand unless there is none. `evict` is O(1) amortized: each further step
    takes a mark that a hit has set, so after hits on all of n keys one call takes n steps.
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
        """As they would leave if no key were visited any more; the newest last."""
        queues = (self._ahead, self._passed)
        for marked in (False, True):
            for queue in queues:
                for key, visited in queue.items():
                    if visited is marked and key != self._newest:
                        yield key
        if self._newest in self:
            yield self._newest

    def check(self) -> None:
        """A key is in one queue, and there is one ahead of the hand unless there is none at all."""
        assert not self._ahead.keys() & self._passed.keys()
        assert self._ahead or not self._passed

    def _start_over(self) -> None:
        """Put the hand back to the oldest key; O(1), as at most the newest is still ahead."""
        self._passed.update(self._ahead)
        self._ahead, self._passed = self._passed, OrderedDict()


SPEC = PolicySpec(
    name=Sieve.name,
    meaning="an entry without a visit, found by a moving hand",
    make=lambda capacity, *, rng: Sieve(),
    traits=frozenset({"reads", "scan_resistant"}),
    check=Sieve.check,
)
