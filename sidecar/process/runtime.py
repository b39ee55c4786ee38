"""The interpreter and its allocator: how often garbage is collected, what memory goes back.

Both are the process's own, so there is one `Runtime` in it. Nothing here knows the cache.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import time

MOST_SEQUENTIAL_GC = (20_000, 20, 50)
"""Collections are rare and short: entries are no garbage, and the collector does not see them."""
SWITCH_SECONDS = 0.001
"""How long a thread that computes may keep the event loop from the interpreter's lock: a document
is parsed in one. Measured with 10,000 values: 5.4 ms late with Python's own 5 ms, 1.2 ms with one.
"""
TRIM_THRESHOLD_BYTES = 128 << 10
"""What may be free at the heap's end."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


class Runtime:
    """What can be turned of the process that this is."""

    def __init__(self) -> None:
        self._frozen = 0

    def begin(self, *, mmap_threshold_bytes: int) -> None:
        """Have freed values go back to the system at once, set the collector's thresholds, and have
        threads take turns often.

        glibc raises its mmap threshold whenever a mapped block is freed, up to 32 MiB, and then
        keeps what a large value leaves behind. A fixed threshold switches that off. And it gives
        each thread a heap of its own, where what is packed there would leave holes that nobody
        else fills: the interpreter's lock lets few threads allocate at once anyway.
        """
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, mmap_threshold_bytes)
            mallopt(_M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)
            mallopt(_M_ARENA_MAX, 1)
        gc.set_threshold(*MOST_SEQUENTIAL_GC)
        sys.setswitchinterval(SWITCH_SECONDS)

    def freeze(self) -> None:
        """Take all that is there out of the collector's sight: it stays, so why look at it."""
        gc.collect()
        gc.freeze()

    def tune(self, *, gc_threshold: int, gc_frozen: int) -> None:
        """Collect the youngest generation after `gc_threshold` allocations; freeze what is there
        whenever `gc_frozen` has grown, and thaw everything where it has been turned back.

        What is thawed includes what was frozen at the start: the interpreter keeps one heap of all.
        """
        _, middle, oldest = gc.get_threshold()
        gc.set_threshold(gc_threshold, middle, oldest)
        if gc_frozen > self._frozen:
            self.freeze()
        elif gc_frozen < self._frozen:
            gc.unfreeze()
        self._frozen = gc_frozen


def collect() -> tuple[int, float]:
    """Collect all generations; how many objects went, and the seconds that it took.

    The interpreter's lock is held throughout, so no thread would spare the event loop anything.
    """
    began = time.perf_counter()
    found = gc.collect()
    return found, time.perf_counter() - began


def trim_heap() -> bool:
    """Give the heap's free pages back to the system; False where the C library (musl) can't.

    For a thread: it takes a millisecond or two for each 100 MiB, without the interpreter's lock.
    """
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is None:
        return False
    malloc_trim(0)
    return True
