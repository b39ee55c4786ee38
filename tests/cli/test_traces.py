"""Trace files: which ones are read, and how invalid ones are rejected."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from sidecar.cli.traces import Request, TraceError, read

Write = Callable[[bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Creates a trace file with the given bytes."""

    def write(content: bytes) -> Path:
        path = tmp_path / "trace.csv"
        path.write_bytes(content)
        return path

    return write


def test_keys_and_sizes_are_read_in_order(write: Write) -> None:
    """A line is a key, or a key and a size in bytes; a file may have both."""
    path = write(b"user:1,737\nuser:2\nuser:1,0\n")
    assert list(read(path)) == [
        Request(b"user:1", 737),
        Request(b"user:2", None),
        Request(b"user:1", 0),
    ]


@pytest.mark.parametrize("content", [b"a\nb", b"a\nb\n", b"a\r\nb\r\n"])
def test_line_ends_are_not_part_of_keys(write: Write, content: bytes) -> None:
    """The last line needs no line end, and files from Windows are read in the same way."""
    assert [request.key for request in read(write(content))] == [b"a", b"b"]


def test_keys_are_bytes(write: Write) -> None:
    """No encoding is assumed, and spaces are part of the key."""
    assert next(read(write(b" \xff\x00 ,5\n"))) == Request(b" \xff\x00 ", 5)


def test_an_empty_file_has_no_requests(write: Write) -> None:
    """The reader does not treat it as an error."""
    assert list(read(write(b""))) == []


def test_a_gzipped_file_is_read_as_its_content(tmp_path: Path) -> None:
    """The suffix .gz of the name decides."""
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(gzip.compress(b"a,1\nb,2\n"))
    assert list(read(path)) == [Request(b"a", 1), Request(b"b", 2)]


def test_a_file_is_streamed(tmp_path: Path) -> None:
    """The first requests are read before the damaged end of the file is reached."""
    path = tmp_path / "trace.csv.gz"
    content = b"".join(b"%d\n" % (number * number) for number in range(100_000))
    path.write_bytes(gzip.compress(content)[:-1_000])
    requests = read(path)
    assert [request.key for request in islice(requests, 3)] == [b"0", b"1", b"4"]
    with pytest.raises(TraceError, match=r"trace\.csv\.gz, after line \d+: damaged gzip file"):
        list(requests)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "a key must have 1 to 1024 bytes, this one has 0"),
        (b",5", "a key must have 1 to 1024 bytes, this one has 0"),
        (b"k" * 1_025, "a key must have 1 to 1024 bytes, this one has 1025"),
        (b"a,", "expected `key` or `key,size`, got 'a,'"),
        (b"a,b", "expected `key` or `key,size`, got 'a,b'"),
        (b"a,-1", "expected `key` or `key,size`, got 'a,-1'"),
        (b"a,1.5", "expected `key` or `key,size`, got 'a,1.5'"),
        (b"a," + b"0" * 21, f"expected `key` or `key,size`, got 'a,{'0' * 21}'"),
        (b"a,1,2", "expected `key` or `key,size`, got 'a,1,2'"),
        (b"a,\xb2", "expected `key` or `key,size`, got 'a,\ufffd'"),
    ],
)
def test_a_bad_line_is_named(write: Write, line: bytes, why: str) -> None:
    """File, line number and reason, in one line; the lines before it were read."""
    path = write(b"a\nb\n" + line + b"\nc\n")
    requests = read(path)
    assert [request.key for request in islice(requests, 2)] == [b"a", b"b"]
    with pytest.raises(TraceError, match=f"^{re.escape(f'{path}, line 3: {why}')}$"):
        next(requests)


def test_a_file_without_line_ends_is_not_read_into_memory(write: Write) -> None:
    """A binary file of any length is rejected at its beginning."""
    for content in (b"\x00" * 10_000_000, b"a," + b"1" * 10_000_000):
        with pytest.raises(TraceError, match="line 1: ") as error:
            next(read(write(content)))
        assert len(str(error.value)) < 2_000


def test_a_missing_file_is_an_error_in_one_line(tmp_path: Path) -> None:
    """This also holds for a folder, and for a file that does not match its suffix."""
    with pytest.raises(TraceError, match=r"none\.csv: No such file or directory$"):
        next(read(tmp_path / "none.csv"))
    with pytest.raises(TraceError, match=r"Is a directory$"):
        next(read(tmp_path))
    (tmp_path / "plain.gz").write_bytes(b"a\nb\n")
    with pytest.raises(TraceError, match="after line 0: damaged gzip file"):
        next(read(tmp_path / "plain.gz"))
