"""zstd for values that L2 keeps, where it pays.

Small values are packed where they are, on the event loop, in some tens of microseconds. Above
LOOP_BYTES that would be felt by others, so it is done aside, in threads: zstandard lets go of the
interpreter lock meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import zstandard

LEAST_BYTES = 1 << 10
"""Below it the frame's header and the work outweigh what is saved."""
LOOP_BYTES = 64 << 10
"""The largest value that may be packed or unpacked on the event loop."""
LEAST_SAVING = 1 / 8
LEVEL = 1
THREADS = 2
"""Each keeps contexts of one or two megabytes. They do nothing else: where others wait for a disk
that hangs, a large value in memory must not."""


class _Contexts(threading.local):
    """zstd's contexts are large and serve one thread at a time."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=LEVEL)
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()
_threads = ThreadPoolExecutor(THREADS, "packing")


def pack(value: bytes) -> bytes:
    """The value's zstd frame, or the value itself where that does not pay."""
    packed = _contexts.compressor.compress(value)
    if len(packed) > len(value) * (1 - LEAST_SAVING):
        return value
    # zstandard shortens its result in place and keeps the memory of the worst case behind it.
    return bytes(memoryview(packed))


def unpack(packed: bytes, size: int) -> bytes:
    """What was packed. Raises zstandard.ZstdError for anything else."""
    return _contexts.decompressor.decompress(packed, max_output_size=size)


async def pack_aside(value: bytes) -> bytes:
    """`pack`, while the event loop goes on."""
    return await asyncio.get_running_loop().run_in_executor(_threads, pack, value)


async def unpack_aside(packed: bytes, size: int) -> bytes:
    """`unpack`, while the event loop goes on."""
    return await asyncio.get_running_loop().run_in_executor(_threads, unpack, packed, size)
