"""Values in a content coding, for clients that accept one (RFC 9110, section 8.4.1).

A value that a tier holds as a zstd frame is sent as it is. Others are coded where that pays: from
LEAST_BYTES on, if their media type is of those that are known to shrink, and if they do. Up to
LOOP_BYTES they are coded on the event loop, and the result is kept for a while: gzip of 4 KiB takes
several times as long as the rest of a hit in L1.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from functools import lru_cache
from typing import Protocol

from msgspec import Struct

from sidecar.http.accepting import IDENTITY, ZSTD, Accepted
from sidecar.http.messages import memory_of
from sidecar.model.entry import Hit
from sidecar.tiers.packing import LEAST_BYTES, LEAST_SAVING, LEVEL, aside, frame_of

COPIES = 3
"""The memory of a coded value in values: itself, where it was unpacked for this; the result, at
worst; and a copy of that."""
KEPT_BYTES = 1 << 20
"""The most bytes of results that are kept. All are dropped for the next one: those that are read
often are soon back."""
OVERHEAD_BYTES = 200
"""Of a result that is kept, beyond its bytes."""
MOST_TYPES = 256
VARY = "Vary: Accept-Encoding\r\n"

_COMPRESSIBLE = re.compile(
    r"(?:text/[^;]*|[^;]*\+(?:json|xml|yaml)|application/(?:x-www-form-urlencoded|wasm"
    r"|(?:x-)?(?:javascript|json|jsonl|ndjson|toml|xml|yaml)))[ \t]*(?:;.*)?",
    re.IGNORECASE,
)
"""Media types whose values shrink. Images, sound, video and archives are compressed already, and of
`application/octet-stream` nothing is known."""


@lru_cache(MOST_TYPES)
def is_compressible(content_type: str) -> bool:
    """Whether values of this media type shrink, as a rule."""
    return _COMPRESSIBLE.fullmatch(content_type) is not None


def may_vary(hit: Hit) -> bool:
    """Whether the answer with this value depends on Accept-Encoding, with every media type: a tier
    may hold the value as a frame.
    """
    return hit.entry.size >= LEAST_BYTES


def coding_for(hit: Hit, accepted: Accepted) -> str:
    """The coding to try, of those that the client accepts. Where it excludes the value as it was
    put, that is coded whatever it is.
    """
    if hit.packed:
        return ZSTD
    if IDENTITY in accepted:
        entry = hit.entry
        if len(hit.value) < LEAST_BYTES or not is_compressible(entry.content_type):
            return IDENTITY
    return accepted[0]


class Memory(Protocol):
    """What a connection holds of the memory for requests."""

    async def reserve(self, size: int) -> None:
        """Hold at least `size` bytes."""

    def keep(self, size: int) -> None:
        """Hold at most `size` bytes from now on."""


class Form(Struct, frozen=True):
    """What is sent of a value: its bytes in a coding."""

    coding: str
    body: bytes


class Forms:
    """Makes coded forms of values, and keeps those of small ones, by version and coding."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str], Form] = {}
        self._kept_bytes = 0
        self._turn = asyncio.Lock()
        """Of large values: one at a time, so that `packing` has a thread for unpacking."""

    def of(self, hit: Hit, coding: str, accepted: Accepted) -> Form:
        """The form of a value of up to LOOP_BYTES."""
        must = IDENTITY not in accepted
        if must:
            return _form(hit.value, coding, must=True)
        name = hit.entry.seq, coding
        form = self._kept.get(name)
        if form is None:
            form = _form(hit.value, coding, must=False)
            if form.coding == IDENTITY:  # it does not shrink; the value itself is not kept
                form = Form(IDENTITY, b"")
            self._keep(name, form)
        return Form(IDENTITY, hit.value) if form.coding == IDENTITY else form

    async def of_large(
        self,
        hit: Hit,
        coding: str,
        accepted: Accepted,
        memory: Memory,
    ) -> Form:
        """The form of a value of any size, coded in a thread. Raises what `memory` does."""
        size = len(hit.value)
        await memory.reserve(size)
        async with self._turn:
            await memory.reserve(COPIES * size)
            form = await aside(_form, hit.value, coding, must=IDENTITY not in accepted)
        memory.keep(memory_of(len(form.body)))
        return form

    def _keep(self, name: tuple[int, str], form: Form) -> None:
        size = len(form.body) + OVERHEAD_BYTES
        if self._kept_bytes + size > KEPT_BYTES:
            self._kept.clear()
            self._kept_bytes = 0
        self._kept[name] = form
        self._kept_bytes += size


def _form(value: bytes, coding: str, *, must: bool) -> Form:
    """The value in this coding, or as it is if it does not shrink and need not be coded."""
    body = frame_of(value) if coding == ZSTD else zlib.compress(value, LEVEL, 16 + zlib.MAX_WBITS)
    if not must and len(body) > len(value) * (1 - LEAST_SAVING):
        return Form(IDENTITY, value)
    return Form(coding, body)
