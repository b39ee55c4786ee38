"""A part of a value: Range and If-Range, as RFC 9110 has them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.running import RunningSidecar, life_left, problem

PATH = "/v1/cache/test/key"
VALUE = bytes(range(100))


@pytest.mark.parametrize(
    ("field", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=10-10", 10, 10),
        ("bytes=90-", 90, 99),
        ("bytes=-10", 90, 99),
        ("bytes=-1000", 0, 99),
        ("bytes=95-1000", 95, 99),
        ("bytes=0-", 0, 99),
        ("BYTES=5-6", 5, 6),
        ("bytes= 5-6 ,", 5, 6),
        (f"bytes=99-{'9' * 1000}", 99, 99),
        (f"bytes=-{'9' * 1000}", 0, 99),
    ],
)
def test_a_range_is_answered_with_that_part(
    sidecar: RunningSidecar, field: str, first: int, last: int
) -> None:
    """206, with the fields of the whole value."""
    put = sidecar.ask("PUT", f"{PATH}?ttl=60", VALUE, {"Content-Type": "image/x"})
    answer = sidecar.ask("GET", PATH, headers={"Range": field})
    assert (answer.status, answer.body) == (206, VALUE[first : last + 1])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/100"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Length"] == str(last - first + 1)
    assert answer.headers["Content-Type"] == "image/x"
    assert answer.headers["ETag"] == put.headers["ETag"]
    assert life_left(answer.headers) in {59, 58}


@pytest.mark.parametrize(
    "field",
    [
        "bytes=9-0",
        "bytes=0-1,5-6",
        "bytes=0-1, -1",
        "bytes=-",
        "bytes=",
        "bytes",
        "bytes=a-b",
        "bytes=+1-2",
        "bytes=1.0-2",
        "bytes=0 - 9",
        "bytes=--1",
        "bytes=٣-٤".encode().decode("latin-1"),
        "lines=0-9",
        "0-9",
        "",
    ],
)
def test_what_is_not_one_range_is_ignored(sidecar: RunningSidecar, field: str) -> None:
    sidecar.ask("PUT", PATH, VALUE)
    answer = sidecar.ask("GET", PATH, headers={"Range": field})
    assert (answer.status, answer.body) == (200, VALUE)


@pytest.mark.parametrize("field", ["bytes=100-", "bytes=100-200", "bytes=-0", f"bytes={'9' * 99}-"])
def test_a_range_behind_the_end_is_told_the_size(sidecar: RunningSidecar, field: str) -> None:
    sidecar.ask("PUT", PATH, VALUE)
    answer = sidecar.ask("GET", PATH, headers={"Range": field})
    assert "100 bytes" in problem(answer, 416)
    assert answer.headers["Content-Range"] == "bytes */100"


def test_an_empty_value_has_no_part(sidecar: RunningSidecar) -> None:
    sidecar.ask("PUT", PATH, b"")
    for field in ("bytes=0-", "bytes=-5"):
        problem(sidecar.ask("GET", PATH, headers={"Range": field}), 416)
    problem(sidecar.ask("GET", "/v1/cache/test/absent", headers={"Range": "bytes=0-"}), 404)


def test_parts_of_two_versions_are_never_joined(sidecar: RunningSidecar) -> None:
    """If-Range compares strongly; a date is of no version. Other conditions come first."""
    tag = sidecar.ask("PUT", PATH, VALUE).headers["ETag"]
    part = {"Range": "bytes=50-"}
    for condition, status in ((tag, 206), (f"W/{tag}", 200), ('"0"', 200), ("x", 200)):
        answer = sidecar.ask("GET", PATH, headers={**part, "If-Range": condition})
        assert answer.status == status, condition
    date = "Wed, 21 Oct 2099 07:28:00 GMT"
    assert sidecar.ask("GET", PATH, headers={**part, "If-Range": date}).status == 200
    assert sidecar.ask("GET", PATH, headers={**part, "If-None-Match": tag}).status == 304
    assert sidecar.ask("GET", PATH, headers={**part, "If-Match": '"0"'}).status == 412
    sidecar.ask("PUT", PATH, VALUE[::-1])
    answer = sidecar.ask("GET", PATH, headers={**part, "If-Range": tag})
    assert (answer.status, answer.body) == (200, VALUE[::-1])


def test_head_and_other_methods_know_no_ranges(sidecar: RunningSidecar) -> None:
    sidecar.ask("PUT", PATH, VALUE)
    head = sidecar.ask("HEAD", PATH, headers={"Range": "bytes=0-9"})
    assert (head.status, head.headers["Content-Length"]) == (200, "100")
    assert sidecar.ask("PUT", PATH, VALUE, {"Range": "bytes=0-9"}).status == 204
    assert sidecar.ask("GET", PATH).body == VALUE


@pytest.mark.parametrize("size", [1000, 200_000, 5_000_000])
def test_curl_goes_on_with_a_download(sidecar: RunningSidecar, tmp_path: Path, size: int) -> None:
    """From every tier: large values are compressed in L2, and the largest are in L3 alone."""
    value = (b"some words %d " % size * size)[:size]
    sidecar.ask("PUT", PATH, value)
    file = tmp_path / "file"
    for evict in (False, True):
        if evict:
            for number in range(150):
                sidecar.ask("PUT", f"/v1/cache/others/{number}", b"x")
        file.write_bytes(value[: size // 2])
        url = f"http://127.0.0.1:{sidecar.port}{PATH}"
        subprocess.run(["curl", "-sf", "-C", "-", "-o", str(file), url], check=True)
        assert file.read_bytes() == value
