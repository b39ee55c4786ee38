"""zstd compression for values in L2, if it saves space.

Small values are compressed on the event loop, in some tens of microseconds. Values larger than
LOOP_BYTES would delay other requests, so they are compressed in threads: zstandard releases the
interpreter lock.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

import zstandard

from sidecar.model.entry import Packed

UnpackError: Final = zstandard.ZstdError
"""Raised for a value that is no frame of `pack`."""
LEAST_BYTES = 1 << 10
"""For smaller values, the frame's header and the CPU time outweigh the savings."""
LOOP_BYTES = 64 << 10
"""The largest value that may be packed or unpacked on the event loop."""
LEAST_SAVING = 1 / 8
LEVEL = 1
THREADS = 2
"""Each keeps contexts of one or two megabytes. These threads do nothing else, so that a large value
in memory never waits behind a disk that hangs."""


class _Contexts(threading.local):
    """zstd's contexts are large, and each can be used by one thread at a time."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=LEVEL)
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()
_threads = ThreadPoolExecutor(THREADS, "packing")
P = ParamSpec("P")
T = TypeVar("T")


def pack(value: bytes) -> bytes | Packed:
    """The value compressed, or the value itself if that is not smaller enough."""
    frame = _contexts.compressor.compress(value)
    if len(frame) > len(value) * (1 - LEAST_SAVING):
        return value
    return Packed(_copy_of(frame), len(value))


def frame_of(value: bytes) -> bytes:
    """The value as a zstd frame, be it smaller or not. Any decoder of HTTP takes it: the window of
    LEVEL is 512 KiB, and may be 8 MiB (RFC 9659, section 3).
    """
    return _copy_of(_contexts.compressor.compress(value))


def _copy_of(frame: bytes) -> bytes:
    """zstandard shortens its result in place and keeps the worst case allocated."""
    return bytes(memoryview(frame))


def unpack(packed: Packed) -> bytes:
    """The value as it was. Raises UnpackError for a frame that is not one of `pack`."""
    return _contexts.decompressor.decompress(packed.frame, max_output_size=packed.size)


async def pack_aside(value: bytes) -> bytes | Packed:
    """`pack` in a thread."""
    return await aside(pack, value)


async def unpack_aside(packed: Packed) -> bytes:
    """`unpack` in a thread."""
    return await aside(unpack, packed)


async def aside(call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """The result of a call in one of these threads."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, partial(call, *arguments, **named))
