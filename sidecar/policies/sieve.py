"""SIEVE: a queue in order of insertion, and a hand that evicts keys that were not visited.

Zhang, Yang, Yue, Vigfusson, Rashmi, "SIEVE is simpler than LRU: an efficient turn-key eviction
algorithm for web caches", NSDI 2024. The hand moves from the oldest key to the newest and starts
over. It clears the mark of visited keys, which keep their places, and evicts the first key without
a mark.

Deviations: the hand does not evict the newest key while there is another, since the paper evicts
before an insertion, and a tier afterwards. The paper's linked list is two queues here, split at the
hand: keys behind it, and keys ahead of it. A key that stays moves from one queue to the other and
keeps its rank, so the order is the same. Both queues are implemented in C, and so faster than a
linked list in Python. A hand that has passed MOST_STEPS visited keys evicts the next one, too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import ClassVar, Generic

from sidecar.policies.protocol import MOST_STEPS, N
from sidecar.policies.spec import PolicySpec


class Sieve(Generic[N]):
    """Two queues, oldest node first. A node's mark is 1 if it was visited.

    At least one node is ahead of the hand unless the policy is empty. `evict` is O(1) amortized:
    each further step clears a mark that a hit has set. After hits on all of a million keys one call
    would take a second, so it ends after MOST_STEPS, with a node that was visited.
    """

    name: ClassVar[str] = "sieve"
    overhead_bytes: ClassVar[int] = 215

    def __init__(self) -> None:
        self._passed: OrderedDict[bytes, N] = OrderedDict()
        self._ahead: OrderedDict[bytes, N] = OrderedDict()
        self._newest = b""

    def get(self, key: bytes) -> N | None:
        node = self._ahead.get(key)
        return self._passed.get(key) if node is None else node

    def insert(self, node: N) -> None:
        node.mark = 0
        self._ahead[node.key] = node
        self._newest = node.key

    def hit(self, node: N) -> None:
        node.mark = 1

    def replace(self, old: N, new: N) -> None:
        new.mark = 1
        queue = self._ahead if old.key in self._ahead else self._passed
        queue[old.key] = new

    def remove(self, node: N) -> None:
        queue = self._ahead if node.key in self._ahead else self._passed
        del queue[node.key]
        if not self._ahead:
            self._start_over()

    def evict(self) -> N:
        visited = True
        left = MOST_STEPS
        while visited:
            key, node = self._ahead.popitem(last=False)
            left -= 1
            visited = bool(node.mark and left)
            if visited:
                node.mark = 0
                self._passed[key] = node
            # Here, not when the hand is needed next: by then more keys will have come in.
            if len(self._ahead) < 2 and (not self._ahead or self._newest in self._ahead):
                self._start_over()
        return node

    def resize(self, capacity: int) -> None:
        pass

    def __len__(self) -> int:
        return len(self._ahead) + len(self._passed)

    def keys(self) -> Iterable[bytes]:
        return chain(dict.keys(self._ahead), dict.keys(self._passed))

    def __iter__(self) -> Iterator[N]:
        """Nodes in the order of eviction without further visits; the newest last."""
        queues = (self._ahead, self._passed)
        for mark in (0, 1):
            for queue in queues:
                for node in queue.values():
                    if node.mark == mark and node.key != self._newest:
                        yield node
        newest = self.get(self._newest)
        if newest is not None:
            yield newest

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
