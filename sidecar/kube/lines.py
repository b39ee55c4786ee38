"""Splits a watch's payload into lines, which may be longer than a reader's buffer."""

from __future__ import annotations

from collections.abc import Iterator

from sidecar.kube.trouble import Refused

MAX_LINE_BYTES = 16 << 20
"""A ConfigMap has at most 1 MiB, which JSON can expand sixfold, plus managed fields."""


class Lines:
    """Splits chunks at newlines. O(length), since only new data is searched."""

    def __init__(self, most_bytes: int = MAX_LINE_BYTES) -> None:
        self._most_bytes = most_bytes
        self._begun: list[bytes] = []
        self._length = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The lines that this chunk completes, without line ends and without empty lines.

        Raises Refused if a line is longer than any event of one ConfigMap.
        """
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            line = b"".join([*self._begun, end])
            self._begun, self._length = [], 0
            if line:
                yield line
        self._length += len(rest)
        if self._length > self._most_bytes:
            raise Refused("The API server sent a line that is too long.")
        if rest:
            self._begun.append(rest)
