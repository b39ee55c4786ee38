"""Values in a coding from each tier: frames as they are held, and large values in threads."""

from __future__ import annotations

import asyncio
import time
import zlib
from dataclasses import replace

import aiohttp
import pytest
import zstandard

from sidecar.app.sidecar import Sidecar
from sidecar.model.entry import L1, L2, Entry, Packed
from sidecar.serving.budget import Budget
from sidecar.serving.limits import Limits
from sidecar.tiers.disk import put_of
from sidecar.tiers.packing import pack
from tests.http.asking import (
    CLOSE,
    ask,
    connected,
    get,
    idle,
    in_flight,
    limited,
    only_in_l3,
    path,
    put,
)
from tests.http.decoding import LARGE, SMALL
from tests.http.serving import Serve, eventually, exchange, request

JSON = "Content-Type: application/json"
GZIP, ZSTD = "Accept-Encoding: gzip, deflate", "Accept-Encoding: gzip, zstd"
BOTH = pytest.mark.parametrize("value", [SMALL, LARGE], ids=["small", "large"])


def parts(answer: bytes) -> tuple[str, bytes]:
    """The head and the body of an answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body


async def read(live: Sidecar, name: str, *headers: str) -> tuple[str, bytes]:
    [answer] = await ask(live, get(name, *headers, CLOSE))
    return parts(answer)


def unzipped(body: bytes) -> bytes:
    return zlib.decompress(body, 16 + zlib.MAX_WBITS)


def unpacked(body: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(body)


async def packed_in_l2(live: Sidecar, name: str, value: bytes, *headers: str) -> Entry:
    await ask(live, put(name, value, *headers), get(name, CLOSE))
    with limited(live, max_entries=1):
        await ask(live, put("other", b"v"), get("other", CLOSE))
    entry = live.store.memory.held.entries(L2)[f"test/{name}".encode()]
    await eventually(lambda: isinstance(entry.value, Packed), "it is packed")
    return entry


async def packed_in_l3(live: Sidecar, name: str, value: bytes) -> bytes:
    """Have L3 hold a value as a frame, which this returns."""
    packed, now = pack(value), time.time()
    assert isinstance(packed, Packed)
    entry = Entry(
        key=f"test/{name}".encode(),
        value=packed,
        content_type="application/json",
        seq=live.store._write_clock.next(),
        times=complex(now, now + 3600),
    )
    live.store.disk.write(put_of(entry), None)
    await eventually(lambda: not live.store.disk.pending, "L3 has it")
    return packed.frame


# ---- frames as they are held


@BOTH
@pytest.mark.parametrize("kind", [JSON, "Content-Type: image/png"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_frame_of_l2_is_sent_as_it_is(
    live: Sidecar, value: bytes, kind: str, method: str
) -> None:
    """Whatever its media type. It counts as a hit of that tier, and is not unpacked for L1."""
    entry = await packed_in_l2(live, "packed", value, kind)
    held = entry.value
    assert isinstance(held, Packed)
    hits, hit_bytes = live.store.stats.tiers[L2].hits, live.store.stats.hit_bytes
    times = live.store.config.promote_after + 1
    for _ in range(times):
        [answer] = await ask(live, request(method, path("packed"), ZSTD, CLOSE))
        head, body = parts(answer)
        assert head.startswith("200 ")
        assert f'\r\nETag: "{entry.seq:x}-zstd"\r\n' in head
        assert "\r\nContent-Encoding: zstd" in head
        assert "\r\nVary: Accept-Encoding" in head
        assert f"\r\nContent-Length: {len(held.frame)}\r\n" in head
        assert "detail=l2\r\n" in head
        assert body == (held.frame if method == "GET" else b"")
    assert entry.value is held
    assert live.store.stats.tiers[L2].hits == hits + times
    assert live.store.stats.hit_bytes == hit_bytes + times * len(value)
    await idle(live)


@BOTH
async def test_others_get_the_value_of_a_frame(live: Sidecar, value: bytes) -> None:
    """As it was put, in gzip, or a part of it; and it is promoted to L1 then."""
    entry = await packed_in_l2(live, "packed", value, JSON)
    await read(live, "packed", ZSTD)
    head, body = await read(live, "packed", GZIP)
    assert "Content-Encoding: gzip" in head
    assert unzipped(body) == value
    head, body = await read(live, "packed", ZSTD, "Range: bytes=5-9")
    assert (head[:3], body) == ("206", value[5:10])
    assert (await read(live, "packed"))[1] == value
    assert live.store.memory.held.tier_of(entry.key) is L1
    head, body = await read(live, "packed", ZSTD)
    assert "detail=l1" in head
    assert unpacked(body) == value
    await idle(live)


@BOTH
async def test_a_frame_of_l3_is_sent_as_it_is(live: Sidecar, value: bytes) -> None:
    """With or without a task, and counted as a hit of L3."""
    frame = await packed_in_l3(live, "deep", value)
    head, body = await read(live, "deep", ZSTD)
    assert "detail=l3" in head
    assert "Content-Encoding: zstd" in head
    assert body == frame
    frame = await packed_in_l3(live, "head", value)
    [answer] = await ask(live, request("HEAD", path("head"), ZSTD, CLOSE))
    assert f"Content-Length: {len(frame)}\r\n".encode() in answer
    await packed_in_l3(live, "plain", value)
    assert (await read(live, "plain"))[1] == value
    await packed_in_l3(live, "gzip", value)
    assert unzipped((await read(live, "gzip", GZIP))[1]) == value
    await idle(live)


async def test_a_frame_that_l1_holds_is_sent_as_it_is(live: Sidecar) -> None:
    """Where L2 is switched off, L1 takes what L3 has; the first to ask for the value unpacks it."""
    config = live.store.config
    off = replace(config.tiers, l2=replace(config.tiers.l2, enabled=False))
    live.store.apply(replace(config, tiers=off))
    frame = await packed_in_l3(live, "packed", SMALL)
    for tier in ("l3", "l1", "l1"):
        head, body = await read(live, "packed", ZSTD)
        assert (f"detail={tier}" in head, body) == (True, frame)
    assert (await read(live, "packed"))[1] == SMALL
    assert unpacked((await read(live, "packed", ZSTD))[1]) == SMALL


# ---- values that have to be coded


@BOTH
@pytest.mark.parametrize("accepted", [GZIP, ZSTD])
async def test_a_value_of_l3_is_coded(live: Sidecar, value: bytes, accepted: str) -> None:
    await only_in_l3(live, "unused")
    await ask(live, put("deep", value, JSON), get("deep", CLOSE))
    await eventually(lambda: not live.store.disk.pending, "L3 has it")
    live.store.memory.pop(b"test/deep")
    head, body = await read(live, "deep", accepted)
    assert "detail=l3" in head
    decode = unzipped if accepted is GZIP else unpacked
    assert decode(body) == value
    await idle(live)


async def test_requests_behind_one_that_is_coded_wait_for_it(live: Sidecar) -> None:
    """Answers come in order, although a large value is coded in a thread."""
    await ask(live, put("large", LARGE, JSON), put("small", SMALL, JSON), get("small", CLOSE))
    names = ["large", "small", "large", "large", "small"] * 4
    requests = [get(name, GZIP) for name in names]
    answers = await ask(live, *requests, get("small", GZIP, CLOSE))
    assert len(answers) == len(names) + 1
    for name, answer in zip(names, answers, strict=False):
        assert unzipped(parts(answer)[1]) == (LARGE if name == "large" else SMALL)
    await idle(live)


async def test_a_client_that_leaves_while_its_value_is_coded_holds_nothing(live: Sidecar) -> None:
    await ask(live, put("large", LARGE * 10, JSON), get("large", CLOSE))
    for _ in range(10):
        async with connected(live) as (_, writer):
            writer.write(get("large", GZIP))
            await eventually(lambda: in_flight(live), "it is being coded")
            writer.transport.abort()
        await idle(live)
    head, body = await read(live, "large", GZIP)
    assert (head[:3], unzipped(body)) == ("200", LARGE * 10)


async def test_many_large_values_stay_within_the_memory_for_requests(
    live: Sidecar, serve: Serve
) -> None:
    """Each is coded, or refused for lack of memory with 503; all that was held is given back."""
    budget = Budget(16 << 20)
    served = await serve(Limits(), budget)
    value = LARGE * 3
    await ask(live, put("large", value, JSON), get("large", CLOSE))
    url = f"http://127.0.0.1:{served.port}{path('large')}"
    most = 0

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one() -> int:
            nonlocal most
            async with session.get(url, headers={"Accept-Encoding": "gzip"}) as answer:
                most = max(most, budget.used_bytes)
                body = await answer.read()
                assert answer.status == 503 or body == value
                return answer.status

        statuses = await asyncio.gather(*(one() for _ in range(200)))
    assert statuses.count(200) >= (16 << 20) // (3 * len(value))
    assert 0 < most <= 16 << 20
    await eventually(lambda: budget.used_bytes == 0, "no memory is held")
    assert served.admission.stats.in_flight == 0


async def test_a_value_that_can_never_be_coded_for_lack_of_memory_is_refused(
    live: Sidecar, serve: Serve
) -> None:
    """With 503; the connection goes on, and the value as it was put is sent."""
    budget = Budget(len(LARGE) * 2)
    served = await serve(Limits(), budget)
    await ask(live, put("large", LARGE, JSON), get("large", CLOSE))
    answer = await exchange(served.port, get("large", GZIP) + get("large", CLOSE))
    refused, sent = answer.split(b"HTTP/1.1 ")[1:]
    assert refused.startswith(b"503 ")
    assert parts(sent)[1] == LARGE
    await eventually(lambda: budget.used_bytes == 0, "no memory is held")
