"""Reads zstd frames to their ends (RFC 8878).

zstandard's own reader takes a frame that was cut off for a whole one. Its decompressor of pieces
tells them apart, but gives all that a piece unpacks to at once: so the pieces are small.
"""

from __future__ import annotations

import io

import zstandard

MOST_WINDOW_BYTES = 8 << 20
"""Of memory that a frame may ask for (section 3.1.1.1.2). `zstd --long` asks for more."""
FED_BYTES = 128
"""A block of 4 bytes unpacks to up to 128 KiB, so these unpack to 4 MiB at most."""


class ZstdReader:
    """Raises zstandard.ZstdError for what is no frame, and EOFError for one that is cut off."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=MOST_WINDOW_BYTES)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._unpacked = io.BytesIO()

    def read(self, size: int, /) -> bytes:
        """Some of what comes next, empty at the end. Blocks."""
        while not (piece := self._unpacked.read(size)):
            packed = self._file.read(FED_BYTES)
            if not packed:
                if self._frame is not None:
                    raise EOFError("it ends within a zstd frame")
                return b""
            self._unpacked = io.BytesIO(self._unpack(packed))
        return piece

    def _unpack(self, packed: bytes) -> bytes:
        unpacked = b""
        while packed:
            if self._frame is None:
                self._frame = self._decompressor.decompressobj()
            unpacked += self._frame.decompress(packed)
            packed = b""
            if self._frame.eof:
                packed, self._frame = self._frame.unused_data, None
        return unpacked
