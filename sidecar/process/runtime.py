"""The interpreter and its allocator: garbage collection, and memory returned to the system.

Both exist once per process, and so does `Runtime`. Nothing here knows the cache.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import time

MOST_SEQUENTIAL_GC = (20_000, 20, 50)
"""Makes collections rare; they are short, since the collector does not track entries."""
SWITCH_SECONDS = 0.001
"""How long a computing thread, such as one that parses a document, may hold the interpreter lock.
Measured lag of the event loop with 10,000 values: 5.4 ms with Python's default of 5 ms, 1.2 ms with
1 ms.
"""
TRIM_THRESHOLD_BYTES = 128 << 10
"""The free memory at the heap's end above which it is returned to the system."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


class Runtime:
    """The adjustable settings of this process."""

    def __init__(self) -> None:
        self._frozen = 0

    def begin(self, *, mmap_threshold_bytes: int) -> None:
        """Return freed values to the system at once, set the collector's thresholds, and make
        threads switch often.

        glibc raises its mmap threshold whenever a mapped block is freed, up to 32 MiB, and then
        retains the memory of large values. A fixed threshold disables that. It also gives each
        thread its own heap, in which values packed in a thread would leave holes; few threads
        allocate at the same time anyway because of the interpreter lock.
        """
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl does not have it
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, mmap_threshold_bytes)
            mallopt(_M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)
            mallopt(_M_ARENA_MAX, 1)
        gc.set_threshold(*MOST_SEQUENTIAL_GC)
        sys.setswitchinterval(SWITCH_SECONDS)

    def freeze(self) -> None:
        """Exclude all current objects from collections, since they live as long as the process."""
        gc.collect()
        gc.freeze()

    def tune(self, *, gc_threshold: int, gc_frozen: int) -> None:
        """Collect the youngest generation after `gc_threshold` allocations; freeze the current
        objects whenever `gc_frozen` has increased, and unfreeze all when it was set back.

        This also unfreezes the objects frozen at the start, since the interpreter does not
        distinguish them.
        """
        _, middle, oldest = gc.get_threshold()
        gc.set_threshold(gc_threshold, middle, oldest)
        if gc_frozen > self._frozen:
            self.freeze()
        elif gc_frozen < self._frozen:
            gc.unfreeze()
        self._frozen = gc_frozen


def collect() -> tuple[int, float]:
    """Collect all generations; returns the number of collected objects, and the seconds taken.

    The interpreter lock is held throughout, so a thread would not unblock the event loop.
    """
    began = time.perf_counter()
    found = gc.collect()
    return found, time.perf_counter() - began


def trim_heap() -> bool:
    """Return the heap's free pages to the system; False if the C library (musl) cannot.

    Run it in a thread: it takes one or two ms per 100 MiB, without the interpreter lock.
    """
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is None:
        return False
    malloc_trim(0)
    return True
