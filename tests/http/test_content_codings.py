"""Which values are sent in which coding, as `Accept-Encoding` asks for them."""

from __future__ import annotations

import random
import zlib

import aiohttp
import pytest
from multidict import CIMultiDict

from sidecar.http.coded import KEPT_BYTES, Forms, is_compressible
from sidecar.http.wording import HEAD_BYTES
from sidecar.model.entry import L1, Entry, Hit
from tests.http.decoding import JSON, PATH, SMALL, put, read, tag_in, value_of
from tests.http.serving import problem

SEED = 20261201
NOTHING_SHRINKS = random.Random(SEED).randbytes(4096)


# ---- which coding


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("GZip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("deflate, br", "identity"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("gzip;q=0.501, zstd;q=0.5", "gzip"),
        ("gzip;q=0.1,zstd;q=0.1", "zstd"),
        ("gzip;q=0", "identity"),
        ("gzip;q=0, zstd;q=0.000", "identity"),
        ("zstd;q=0, gzip", "gzip"),
        ("identity", "identity"),
        ("identity, gzip;q=0.5", "identity"),
        ("identity;q=0.5, gzip", "gzip"),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0, gzip;q=0.001", "gzip"),
        ("gzip;q=0.001", "gzip"),
        ("*", "zstd"),
        ("*;q=0.5, gzip", "gzip"),
        ("zstd;q=0, *", "gzip"),
        ("gzip, *;q=0", "gzip"),
        ("identity, *;q=0", "identity"),
        (" , gzip ; Q=0.5\t,, ", "gzip"),
        # no lists of codings
        ("gzip;q=2", "identity"),
        ("gzip;q=0.0001", "identity"),
        ("gzip;q=-1", "identity"),
        ("gzip;q=.5", "identity"),
        ("gzip;q=", "identity"),
        ("gzip;level=1", "identity"),
        ("gzip zstd", "identity"),
        ("gzip;", "identity"),
        ("gzip, zstd;q=x", "identity"),
        ('"gzip"', "identity"),
        ("*;q=0;", "identity"),
        ("gzip=1", "identity"),
    ],
)
async def test_the_client_gets_the_coding_that_it_prefers(
    raw: aiohttp.ClientSession, accepted: str | None, coding: str
) -> None:
    """And a field that is no list of codings is ignored."""
    tag = await put(raw, SMALL)
    for _ in range(2):
        answer = await read(raw, accepted)
        assert answer.status == 200
        assert answer.headers.get("Content-Encoding", "identity") == coding
        assert answer.headers["ETag"] == tag_in(coding, tag)
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.headers["Content-Type"] == JSON
        assert answer.headers["Cache-Status"].endswith("detail=l1")
        assert await value_of(answer) == SMALL


async def test_a_field_of_several_lines_is_one_list(raw: aiohttp.ClientSession) -> None:
    await put(raw, SMALL)
    lines = [("Accept-Encoding", "gzip;q=0.5"), ("Accept-Encoding", "zstd")]
    answer = await raw.get(PATH, headers=CIMultiDict(lines))
    assert answer.headers["Content-Encoding"] == "zstd"
    lines = [("Accept-Encoding", "gzip," * 1000)] * (HEAD_BYTES // 5000 + 1)
    answer = await raw.get(PATH, headers=CIMultiDict(lines))
    assert "Accept-Encoding" in await problem(answer, 431)


async def test_where_every_coding_is_excluded_nothing_is_acceptable(
    raw: aiohttp.ClientSession,
) -> None:
    """Whatever the value, and before its conditions; an entry that is absent stays a 404."""
    await problem(await read(raw, "*;q=0"), 404)
    for value in (SMALL, b"small"):
        await put(raw, value)
        for accepted in ("*;q=0", "identity;q=0", "br, *;q=0"):
            for headers in ({}, {"If_None_Match": "*"}, {"Range": "bytes=0-1"}):
                answer = await read(raw, accepted, **headers)
                assert "gzip" in await problem(answer, 406)
                assert answer.headers["Vary"] == "Accept-Encoding"
            assert (await read(raw, accepted, "HEAD")).status == 406


@pytest.mark.parametrize("coding", ["zstd", "gzip"])
@pytest.mark.parametrize(
    ("value", "kind"),
    [(b"", JSON), (b"small", JSON), (SMALL, "image/png"), (NOTHING_SHRINKS, JSON)],
)
async def test_a_value_is_coded_whatever_it_is_where_identity_is_excluded(
    raw: aiohttp.ClientSession, coding: str, value: bytes, kind: str
) -> None:
    await put(raw, value, kind)
    answer = await read(raw, f"{coding}, identity;q=0")
    assert answer.headers["Content-Encoding"] == coding
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert await value_of(answer) == value


# ---- which values


@pytest.mark.parametrize(
    ("kind", "shrinks"),
    [
        ("text/plain", True),
        ("Text/HTML; charset=utf-8", True),
        ("application/json", True),
        ("application/json ;charset=utf-8", True),
        ("application/problem+json", True),
        ("application/xml", True),
        ("application/atom+xml", True),
        ("application/javascript", True),
        ("application/x-ndjson", True),
        ("image/svg+xml", True),
        ("application/octet-stream", False),
        ("application/json-not", False),
        ("application/zip", False),
        ("image/png", False),
        ("video/mp4; x=text/plain", False),
        ("", False),
    ],
)
def test_media_types_that_shrink(kind: str, *, shrinks: bool) -> None:
    assert is_compressible(kind) == shrinks


async def test_values_that_would_not_shrink_are_sent_as_they_are(
    raw: aiohttp.ClientSession,
) -> None:
    """Below 1 KiB, of another media type, or where less than an eighth is saved."""
    for value, kind, vary in (
        (b"x" * 1023, JSON, None),
        (b"x" * 1024, "image/png", "Accept-Encoding"),
        (NOTHING_SHRINKS, JSON, "Accept-Encoding"),
        (random.Random(SEED).randbytes(100_000), JSON, "Accept-Encoding"),
    ):
        tag = await put(raw, value, kind)
        for accepted in ("gzip", "zstd", None):
            for _ in range(2):
                answer = await read(raw, accepted)
                assert (await answer.read(), answer.headers["ETag"]) == (value, tag)
                assert "Content-Encoding" not in answer.headers
                assert answer.headers.get("Vary") == vary
    await put(raw, b"x" * 1024)
    assert (await read(raw, "gzip")).headers["Content-Encoding"] == "gzip"


async def test_a_new_version_is_coded_anew(raw: aiohttp.ClientSession) -> None:
    """Coded forms are kept by version."""
    for turn in range(20):
        value = SMALL.replace(b"user", b"name %d" % turn)
        await put(raw, value)
        for accepted in ("gzip", "zstd", "gzip", "zstd"):
            assert await value_of(await read(raw, accepted)) == value


def test_the_forms_that_are_kept_are_bounded() -> None:
    """In bytes, values that do not shrink included; and each is what it should be."""
    forms, rng = Forms(), random.Random(SEED)
    for seq in range(3000):
        value = b"%d " % seq * 1000 if seq % 3 else rng.randbytes(1100)
        entry = Entry(key=b"t/k", value=value, content_type=JSON, seq=seq, times=complex(0, 1))
        for _ in range(2):
            form = forms.of(Hit(entry, L1, value), "gzip", ("gzip", "identity"))
            if form.coding == "identity":
                assert form.body is value, (SEED, seq)
            else:
                assert zlib.decompress(form.body, 31) == value, (SEED, seq)
        assert 0 < forms._kept_bytes <= KEPT_BYTES
