"""Files as sources: below the folder only, plain or compressed, whatever stands in their place."""

from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from sidecar.config.values import RateConfig
from tests.warmers.warming import Warming, lines, of_file

ENTRIES = [(f"k{number}", f"value {number}") for number in range(2000)]


async def test_a_plain_file_is_loaded(warming: Warming) -> None:
    """Its length is known, and all of it was read."""
    content = lines(ENTRIES)
    figures = await warming.load(content)
    assert (figures.result, figures.loaded, figures.failed) == ("succeeded", 2000, 0)
    assert figures.read_bytes == figures.total_bytes == len(content)
    assert await warming.value(b"n/k1999") == b"value 1999"


@pytest.mark.parametrize("level", [1, 19])
async def test_a_zstd_file_is_loaded(warming: Warming, level: int) -> None:
    """Also if it has several frames."""
    content, half = lines(ENTRIES), 12_345
    compress = zstandard.ZstdCompressor(level=level).compress
    figures = await warming.load(compress(content[:half]) + compress(content[half:]))
    assert (figures.result, figures.loaded, figures.failed) == ("succeeded", 2000, 0)
    assert (figures.read_bytes, figures.total_bytes) == (len(content), None)


async def test_a_gzip_file_is_loaded(warming: Warming) -> None:
    """Also if it has several members."""
    content, half = lines(ENTRIES), 12_345
    figures = await warming.load(gzip.compress(content[:half]) + gzip.compress(content[half:]))
    assert (figures.result, figures.loaded, figures.failed) == ("succeeded", 2000, 0)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
async def test_a_compressed_file_that_is_cut_off_fails(
    warming: Warming, compress: Callable[[bytes], bytes]
) -> None:
    """What came before the cut is loaded."""
    packed = compress(lines((key, os.urandom(30).hex()) for key, _ in ENTRIES))
    figures = await warming.load(packed[:-20])
    assert figures.result == "failed"
    assert "can't be read to its end" in str(figures.reason)
    assert figures.loaded > 0


async def test_a_frame_with_a_large_window_is_refused(warming: Warming) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    figures = await warming.load(compressor.compress(lines(ENTRIES)) + compressor.flush())
    assert figures.result == "failed"


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
async def test_a_bomb_is_a_line_that_is_too_long(
    warming: Warming, compress: Callable[[bytes], bytes]
) -> None:
    """128 MiB of zeros without an end of line are not held."""
    bomb = compress(bytes(128 << 20) + b"\n" + lines(ENTRIES[:1]))
    (warming.folder / "export").write_bytes(bomb)
    rate = RateConfig(bytes_per_second=1 << 40)
    figures = await warming.run(of_file("export", rate=rate))
    assert (figures.result, figures.loaded, figures.failed) == ("succeeded", 1, 1)
    assert "longer than" in figures.errors[0][1]


async def test_a_file_that_is_away_fails(warming: Warming) -> None:
    figures = await warming.run(of_file("nowhere"))
    assert figures.result == "failed"
    assert figures.reason == '"nowhere" can\'t be opened: No such file or directory.'


async def test_what_is_no_file_fails_at_once(warming: Warming) -> None:
    """A FIFO has no writer that would be waited for."""
    (warming.folder / "folder").mkdir()
    os.mkfifo(warming.folder / "fifo")
    (warming.folder / "device").symlink_to("/dev/zero")
    (warming.folder / "circle").symlink_to("circle")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(warming.folder / "socket"))
        reasons = {
            name: str((await warming.run(of_file(name))).reason)
            for name in ("folder", "fifo", "device", "circle", "socket")
        }
    assert reasons["folder"] == '"folder" is a folder, and not a file.'
    assert reasons["fifo"] == '"fifo" is a device, a pipe or a socket, and not a file.'
    assert reasons["device"] == '"device" is a link that leads out of --warm-dir.'
    assert "can't be opened" in reasons["circle"]
    assert "can't be opened" in reasons["socket"]


async def test_no_link_leads_out_of_the_folder(warming: Warming, tmp_path: Path) -> None:
    """Neither one of a file, nor of a folder, nor one from a link within."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(lines([("s", "secret")]))
    (warming.folder / "file").symlink_to(outside / "secret")
    (warming.folder / "deep").symlink_to(outside)
    (warming.folder / "second").symlink_to("file")
    for name in ("file", "deep/secret", "second"):
        figures = await warming.run(of_file(name))
        assert figures.result == "failed"
        assert "is a link that leads out of --warm-dir" in str(figures.reason)
    assert await warming.value(b"n/s") is None


async def test_a_link_within_the_folder_is_followed(warming: Warming) -> None:
    """As in a mounted ConfigMap."""
    (warming.folder / "..2025").mkdir()
    (warming.folder / "..2025" / "export").write_bytes(lines(ENTRIES[:3]))
    (warming.folder / "..data").symlink_to("..2025")
    (warming.folder / "export").symlink_to("..data/export")
    assert (await warming.run(of_file("export"))).loaded == 3


async def test_an_empty_file_has_no_entries(warming: Warming) -> None:
    figures = await warming.load(b"")
    assert (figures.result, figures.loaded, figures.failed) == ("succeeded", 0, 0)
