"""S3-FIFO: a small queue for new keys, a main queue, and ghosts of keys evicted from the small one.

Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023. A new
key enters the small queue, a tenth of the cache. If it is used twice or more, it moves to the main
queue; otherwise it leaves and becomes a ghost. A key that is inserted while it is a ghost enters
the main queue, where every key gets as many further rounds as it had hits, up to three.

Deviations: queue sizes are shares of the keys held, not of the capacity, which a tier with a limit
on bytes may never reach. Before the first eviction, the small queue takes only its share and other
new keys enter the main queue, as in the authors' later code. A ghost is the key's 64-bit hash;
there are as many ghosts as the main queue has room for keys. The newest key is not counted, and is
not evicted from the main queue while there is another, since the paper evicts before an insertion,
and a tier afterwards. After MOST_STEPS keys that stay, the next one leaves.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import attrgetter
from typing import ClassVar, Generic

from sidecar.policies.protocol import MOST_STEPS, N
from sidecar.policies.spec import PolicySpec

_SMALL_SHARE = 0.1
_MOST_HITS = 3
_HITS_TO_PASS = 2


class S3Fifo(Generic[N]):
    """Two queues, oldest node first, and the ghosts in order of eviction.

    A node's mark is its hits.

    `evict` is O(1) amortized: each further step decrements the hits of a key.
    """

    name: ClassVar[str] = "s3fifo"
    overhead_bytes: ClassVar[int] = 320

    def __init__(self) -> None:
        self._small: OrderedDict[bytes, N] = OrderedDict()
        self._main: OrderedDict[bytes, N] = OrderedDict()
        # A set and a deque take half the memory of an OrderedDict. A ghost that is inserted leaves
        # the set at once, and the deque when its turn comes.
        self._ghosts: set[int] = set()
        self._ghost_queue: deque[int] = deque()
        self._filling = True
        self._newest = b""

    def get(self, key: bytes) -> N | None:
        node = self._main.get(key)
        return self._small.get(key) if node is None else node

    def insert(self, node: N) -> None:
        node.mark = 0
        self._newest = key = node.key
        ghost = hash(key)
        if ghost in self._ghosts:
            self._ghosts.remove(ghost)
            self._main[key] = node
        elif self._filling and len(self._small) > len(self) * _SMALL_SHARE:
            self._main[key] = node
        else:
            self._small[key] = node

    def hit(self, node: N) -> None:
        if node.mark < _MOST_HITS:
            node.mark += 1

    def replace(self, old: N, new: N) -> None:
        new.mark = min(old.mark + 1, _MOST_HITS)
        queue = self._small if old.key in self._small else self._main
        queue[old.key] = new

    def remove(self, node: N) -> None:
        queue = self._small if node.key in self._small else self._main
        del queue[node.key]
        self._bound_ghosts(len(self))

    def evict(self) -> N:
        self._filling = False
        small, main, newest = self._small, self._main, self._newest
        others = len(small) + len(main) - 1
        main_room = max(0, others - max(1, int(others * _SMALL_SHARE)))
        newcomers = newest in main
        left = MOST_STEPS
        while True:
            left -= 1
            if main and (len(main) - newcomers > main_room or not small):
                key, node = main.popitem(last=False)
                if node.mark and left > 0:
                    node.mark -= 1
                    main[key] = node
                elif key == newest and others:
                    main[key] = node
                else:
                    return node
            else:
                key, node = small.popitem(last=False)
                if node.mark < _HITS_TO_PASS or left <= 0:
                    self._ghosts.add(hash(key))
                    self._ghost_queue.append(hash(key))
                    self._bound_ghosts(main_room)
                    return node
                node.mark = 0
                main[key] = node

    def resize(self, capacity: int) -> None:
        pass

    def __len__(self) -> int:
        return len(self._small) + len(self._main)

    def keys(self) -> Iterable[bytes]:
        return chain(dict.keys(self._small), dict.keys(self._main))

    def __iter__(self) -> Iterator[N]:
        """Small nodes that will leave, main ones by rounds left, other small ones; O(n log n)."""
        yield from (node for node in self._small.values() if node.mark < _HITS_TO_PASS)
        yield from sorted(self._main.values(), key=_hits)
        yield from (node for node in self._small.values() if node.mark >= _HITS_TO_PASS)

    def check(self) -> None:
        """A key is in one queue with at most three hits; there are no more ghosts than the main
        queue has room for, and each is in the deque.
        """
        assert not self._small.keys() & self._main.keys()
        assert all(0 <= node.mark <= _MOST_HITS for node in self)
        assert self._ghosts <= set(self._ghost_queue)
        assert not self._ghosts & set(map(hash, self._small))

    def _bound_ghosts(self, room: int) -> None:
        """Drop the oldest ghosts; those inserted again may take a fifth of the deque."""
        while len(self._ghosts) > room or len(self._ghost_queue) > 1.25 * room:
            self._ghosts.discard(self._ghost_queue.popleft())


_hits = attrgetter("mark")

SPEC = PolicySpec(
    name=S3Fifo.name,
    meaning="entries seen once, from a small queue",
    make=lambda capacity, *, rng: S3Fifo(),
    traits=frozenset({"reads", "scan_resistant"}),
    check=S3Fifo.check,
)
