"""Each coding of a value is a representation of its own: ETags, conditions, ranges and HEAD."""

from __future__ import annotations

import aiohttp
import pytest

from tests.http.decoding import LARGE, PATH, SMALL, put, read, tag_in, value_of
from tests.http.serving import problem


@pytest.mark.parametrize("value", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("coding", ["identity", "zstd", "gzip"])
async def test_a_client_revalidates_what_it_has_in_a_coding(
    raw: aiohttp.ClientSession, coding: str, value: bytes
) -> None:
    """304 has the ETag of what the client has; with no Accept-Encoding it may have any."""
    tag = tag_in(coding, await put(raw, value))
    for accepted in (coding, None):
        for field in (tag, f"W/{tag}", f'"0-{coding}", {tag}'):
            answer = await read(raw, accepted, If_None_Match=field)
            assert answer.status == 304
            assert (answer.headers["ETag"], answer.headers["Vary"]) == (tag, "Accept-Encoding")
            assert "Content-Encoding" not in answer.headers
            assert (await read(raw, accepted, "HEAD", If_None_Match=field)).status == 304
    await put(raw, value[::-1])
    assert (await read(raw, coding, If_None_Match=tag)).status == 200


async def test_the_tag_of_a_coding_that_is_not_accepted_is_not_what_the_client_has(
    raw: aiohttp.ClientSession,
) -> None:
    """A cache may list it, that has the value in this coding for another client."""
    tag = await put(raw, SMALL)
    for accepted, coding in (("gzip", "zstd"), ("identity", "gzip"), ("", "zstd")):
        answer = await read(raw, accepted, If_None_Match=tag_in(coding, tag))
        assert (answer.status, await value_of(answer)) == (200, SMALL)
    answer = await read(raw, "gzip", If_None_Match=f"{tag_in('gzip', tag)}, {tag}")
    assert (answer.status, answer.headers["ETag"]) == (304, tag_in("gzip", tag))
    answer = await read(raw, "gzip", If_None_Match="*")
    assert (answer.status, answer.headers["ETag"]) == (304, tag)


@pytest.mark.parametrize("coding", ["identity", "zstd", "gzip"])
async def test_writes_take_the_tag_of_any_coding(raw: aiohttp.ClientSession, coding: str) -> None:
    """If-Match holds with it, and If-None-Match does not."""
    tag = await put(raw, SMALL)

    async def ask(method: str, query: str = "", *, unless: bool = False) -> int:
        nonlocal tag
        field = "If-None-Match" if unless else "If-Match"
        data = b"7" if method == "PUT" else None
        headers = {field: tag_in(coding, tag)}
        answer = await raw.request(method, PATH + query, data=data, headers=headers)
        tag = answer.headers.get("ETag", tag)
        return answer.status

    assert (await read(raw, coding, If_Match=tag_in(coding, tag))).status == 200
    assert (await read(raw, "gzip", If_Match=tag_in(coding, tag))).status == 200
    assert await ask("PUT", unless=True) == 412
    assert await ask("PUT") == 204
    assert await ask("PATCH", "?ttl=60") == 204
    assert await ask("POST") == 200
    assert await ask("DELETE", unless=True) == 412
    assert await ask("DELETE") == 204


@pytest.mark.parametrize("suffix", ["-br", "-identity", "-", "-gzip-gzip", "-GZIP", "zstd"])
async def test_other_tags_are_of_no_version(raw: aiohttp.ClientSession, suffix: str) -> None:
    tag = await put(raw, SMALL)
    other = f'{tag[:-1]}{suffix}"'
    assert (await read(raw, None, If_None_Match=other)).status == 200
    await problem(await read(raw, None, If_Match=other), 412)
    answer = await raw.put(PATH, data=b"v", headers={"If-Match": other})
    await problem(answer, 412)


async def test_a_range_is_one_of_the_value_as_it_was_put(raw: aiohttp.ClientSession) -> None:
    """With If-Range, that has to be what the client has a part of."""
    tag = await put(raw, SMALL)
    for accepted in ("gzip", "zstd", "zstd, gzip;q=0.5, identity;q=0.1"):
        for if_range in ({}, {"If_Range": tag}):
            answer = await read(raw, accepted, Range="bytes=10-19", **if_range)
            assert (answer.status, await answer.read()) == (206, SMALL[10:20])
            assert (answer.headers["ETag"], answer.headers["Vary"]) == (tag, "Accept-Encoding")
            assert "Content-Encoding" not in answer.headers
        if_range = {"If_Range": tag_in("gzip", tag)}
        answer = await read(raw, accepted, Range="bytes=10-19", **if_range)
        assert (answer.status, await answer.read()) == (200, SMALL)
        assert answer.headers["ETag"] == tag
    answer = await read(raw, "gzip, identity;q=0", Range="bytes=10-19")
    assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert await value_of(answer) == SMALL


@pytest.mark.parametrize("value", [b"small", SMALL, LARGE], ids=["tiny", "small", "large"])
async def test_head_has_the_fields_of_get(raw: aiohttp.ClientSession, value: bytes) -> None:
    await put(raw, value)
    for accepted in (None, "gzip", "zstd", "gzip, identity;q=0", "br"):
        get, head = await read(raw, accepted), await read(raw, accepted, "HEAD")
        fields = [dict(answer.headers) for answer in (get, head)]
        for each in fields:
            del each["Date"], each["Age"]
            each["Cache-Status"] = each["Cache-Status"].rpartition("; ")[2]
        assert fields[0] == fields[1]
        assert await value_of(get) == value


async def test_other_answers_with_a_value_are_not_coded(raw: aiohttp.ClientSession) -> None:
    """Those of DELETE and POST."""
    tag = await put(raw, SMALL)
    headers = {"Accept-Encoding": "gzip, zstd", "Prefer": "return=representation"}
    answer = await raw.delete(PATH, headers=headers)
    assert (await answer.read(), answer.headers["ETag"]) == (SMALL, tag)
    assert not {"Vary", "Content-Encoding"} & set(answer.headers)
    answer = await raw.post(PATH, headers=headers)
    assert (await answer.read(), "Content-Encoding" in answer.headers) == (b"1", False)
