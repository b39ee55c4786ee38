"""Bytes in, lines out: a watch's payload, whose lines may be longer than any reader's buffer."""

from __future__ import annotations

from collections.abc import Iterator

from sidecar.kube.trouble import Refused

MAX_LINE_BYTES = 16 << 20
"""A ConfigMap has at most 1 MiB, of which JSON makes up to six; managed fields come on top."""


class Lines:
    """Cuts chunks at newlines. O(length), since only what is new is searched."""

    def __init__(self, most_bytes: int = MAX_LINE_BYTES) -> None:
        self._most_bytes = most_bytes
        self._begun: list[bytes] = []
        self._length = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The lines that are complete with this chunk, without their ends; empty ones are left out.

        Raises Refused where a line is longer than any event of one ConfigMap.
        """
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            line = b"".join([*self._begun, end])
            self._begun, self._length = [], 0
            if line:
                yield line
        self._length += len(rest)
        if self._length > self._most_bytes:
            raise Refused("The API server sends a line that does not end.")
        if rest:
            self._begun.append(rest)
