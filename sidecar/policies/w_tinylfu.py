"""W-TinyLFU: a window for new keys, and a main part that admits keys by their frequency of use.

Einziger, Friedman, Manes, "TinyLFU: a highly efficient cache admission policy", ACM Transactions on
Storage, 2017. A new key enters the window, an LRU queue. A key that leaves the window is a
candidate for the main part, a segmented LRU with a probation and a protected queue. A sketch of
past uses compares it with the victim of the main part, and the less popular of the two is evicted;
the candidate if they are equal. So the victim may be the key that was just inserted.

Deviations: all shares and the sketch are sized by the keys held, not by the capacity, which a tier
with a limit on bytes may never reach; so the sketch is halved after ten uses per key held. A
candidate that was admitted is compared again if one eviction did not make enough room. There is no
doorkeeper in front of the sketch, and no conservative update.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from struct import Struct
from typing import ClassVar, Generic

from xxhash import xxh3_128_digest

from sidecar.model.option import Option
from sidecar.policies.protocol import N
from sidecar.policies.spec import PolicySpec

_PROTECTED_SHARE = 0.8
_USES_PER_KEY = 10
_COUNTERS_PER_KEY = 16
_FEWEST_KEYS = 64
_MOST_USES = 15
_WINDOW, _PROBATION, _PROTECTED = range(3)
_HALF = bytes(uses >> 1 for uses in range(256))
_four_hashes: Callable[[bytes], tuple[int, int, int, int]] = Struct("<4I").unpack


class WTinyLfu(Generic[N]):
    """Three queues, least recently used node first, and a sketch of how often keys were used.

    A node's mark is the number of its queue.
    """

    name: ClassVar[str] = "w_tinylfu"
    overhead_bytes: ClassVar[int] = 240

    def __init__(self, rng: random.Random, window: float = 0.01) -> None:
        """`window` is the window's share of the keys held, from 0 to 1; it holds one at least.

        `rng` seeds the sketch's hash, so that a client cannot choose keys that share counters.
        """
        self._window_share = window
        self._window: OrderedDict[bytes, N] = OrderedDict()
        self._probation: OrderedDict[bytes, N] = OrderedDict()
        self._protected: OrderedDict[bytes, N] = OrderedDict()
        self._queues = (self._window, self._probation, self._protected)
        self._candidate = b""
        self._sketch = _Sketch(rng.getrandbits(64))
        self._uses_left = _USES_PER_KEY * _FEWEST_KEYS

    def get(self, key: bytes) -> N | None:
        node = self._protected.get(key)
        if node is None:
            node = self._probation.get(key)
            if node is None:
                node = self._window.get(key)
        return node

    def insert(self, node: N) -> None:
        node.mark = _WINDOW
        self._window[node.key] = node
        self._use(node.key)
        self._sketch.make_room_for(len(self))
        self._trim_window()

    def hit(self, node: N) -> None:
        key = node.key
        if node.mark == _PROBATION:
            del self._probation[key]
            node.mark = _PROTECTED
            self._protected[key] = node
            self._trim_protected()
        else:
            self._queues[node.mark].move_to_end(key)
        self._use(key)

    def replace(self, old: N, new: N) -> None:
        new.mark = old.mark
        self._queues[old.mark][old.key] = new
        self.hit(new)

    def remove(self, node: N) -> None:
        del self._queues[node.mark][node.key]

    def evict(self) -> N:
        self._trim_window()
        if not self._probation:
            return (self._protected or self._window).popitem(last=False)[1]
        loser, candidate = next(iter(self._probation)), self._candidate
        if candidate in self._probation:
            count = self._sketch.count
            loser = loser if count(loser) < count(candidate) else candidate
        return self._probation.pop(loser)

    def resize(self, capacity: int) -> None:
        pass

    def __len__(self) -> int:
        return len(self._window) + len(self._probation) + len(self._protected)

    def keys(self) -> Iterable[bytes]:
        return chain(*map(dict.keys, self._queues))

    def __iter__(self) -> Iterator[N]:
        """Probation, window, protected; without a prediction of which candidates are admitted."""
        yield from self._probation.values()
        yield from self._window.values()
        yield from self._protected.values()

    def check(self) -> None:
        """A node is in the queue that its mark names, protected nodes stay within their share of
        the main part, and there are counters for all keys, a power of two.
        """
        for number, queue in enumerate(self._queues):
            assert all(node.mark == number for node in queue.values())
        assert len({node.key for node in self}) == len(self)
        counters = self._sketch.size
        assert counters & (counters - 1) == 0
        assert counters >= _COUNTERS_PER_KEY * len(self)

    def _trim_window(self) -> None:
        window_room = max(1, int(len(self) * self._window_share))
        while len(self._window) > window_room:
            self._candidate, node = self._window.popitem(last=False)
            node.mark = _PROBATION
            self._probation[self._candidate] = node

    def _trim_protected(self) -> None:
        room = int((len(self._probation) + len(self._protected)) * _PROTECTED_SHARE)
        while len(self._protected) > room:
            key, node = self._protected.popitem(last=False)
            node.mark = _PROBATION
            self._probation[key] = node

    def _use(self, key: bytes) -> None:
        self._sketch.add(key)
        self._uses_left -= 1
        if not self._uses_left:
            held = len(self)
            self._sketch.halve()
            self._sketch.shrink_to(held)
            # The count of uses is halved together with the counters.
            self._uses_left = _USES_PER_KEY * held // 2


class _Sketch:
    """A count-min sketch: each key has four shared counters; the smallest is its count.

    A counter has a maximum of 15 but takes a byte: packing two counters into one byte would save 8
    to 16 of about 200 bytes per key, but take more time than all other work. The number of counters
    is a power of two, so the table can be doubled and folded without the keys.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._counters = bytearray(_COUNTERS_PER_KEY * _FEWEST_KEYS)

    @property
    def size(self) -> int:
        """The number of counters."""
        return len(self._counters)

    def add(self, key: bytes) -> None:
        counters = self._counters
        mask = len(counters) - 1
        for place in _four_hashes(xxh3_128_digest(key, self._seed)):
            uses = counters[place & mask]
            if uses < _MOST_USES:
                counters[place & mask] = uses + 1

    def count(self, key: bytes) -> int:
        counters = self._counters
        mask = len(counters) - 1
        a, b, c, d = _four_hashes(xxh3_128_digest(key, self._seed))
        return min(counters[a & mask], counters[b & mask], counters[c & mask], counters[d & mask])

    def halve(self) -> None:
        self._counters = self._counters.translate(_HALF)

    def make_room_for(self, keys: int) -> None:
        """Double the table if it is too small: a counter's two successors start from its value."""
        if len(self._counters) < _COUNTERS_PER_KEY * keys:
            self._counters = self._counters * 2

    def shrink_to(self, keys: int) -> None:
        """Fold the table while it is four times too large: of two counters the greater stays."""
        while len(self._counters) >= 4 * _COUNTERS_PER_KEY * max(keys, _FEWEST_KEYS):
            middle = len(self._counters) // 2
            self._counters = bytearray(map(max, self._counters[:middle], self._counters[middle:]))


WINDOW = Option(
    name="window",
    meaning="the window's share of the entries",
    default=0.01,
    above=0.0,
    below=1.0,
)

SPEC = PolicySpec(
    name=WTinyLfu.name,
    meaning="entries that a frequency sketch does not admit",
    make=lambda capacity, *, rng, window=WINDOW.default: WTinyLfu(rng, window),
    traits=frozenset({"reads", "chance", "scan_resistant"}),
    options=(WINDOW,),
    check=WTinyLfu.check,
)
