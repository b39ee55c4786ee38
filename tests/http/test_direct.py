"""What is answered without a task: in order, whole, and with nothing left over when it goes wrong.

More than 300 lines in one file: one case after the other of what may go wrong with an answer that
comes later.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.app.sidecar import Sidecar
from sidecar.model.entry import L2, Packed
from sidecar.policies.lru import Lru
from sidecar.policies.protocol import N
from sidecar.serving.limits import Limits
from tests.conftest import StartSidecar
from tests.http.asking import (
    CLOSE,
    allow_l3_time,
    ask,
    connected,
    get,
    idle,
    in_flight,
    limited,
    only_in_l3,
    path,
    put,
    stopped,
)
from tests.http.serving import Serve, eventually, exchange, request
from tests.running import wait_until

SEED = 20241129


async def test_a_thousand_mixed_requests_are_answered_in_order(live: Sidecar) -> None:
    """Hits in memory, in L3 and none, puts, deletes, conditions, batches and errors alternate."""
    rng = random.Random(SEED)
    await only_in_l3(live, *(f"deep-{number}" for number in range(50)))
    await ask(live, put("hot", b"hot"), get("hot", CLOSE))
    kinds: dict[bytes, Callable[[int], bytes]] = {
        b"200 hot": lambda _: get("hot"),
        b"200 deep": lambda _: get(f"deep-{rng.randrange(50)}"),
        b"404 ": lambda n: get(f"missing-{n}"),
        b"201 ": lambda n: put(f"new-{n}", b"v" * rng.randrange(2000)),
        b"304 ": lambda _: get("hot", "If-None-Match: *"),
        b"412 ": lambda n: put(f"absent-{n}", b"v", "If-Match: *"),
        b"404  delete": lambda n: request("DELETE", path(f"missing-{n}")),
        b"400 ": lambda _: get("hot?x=1"),
        b"200 head": lambda _: request("HEAD", path("hot")),
        b"200 stats": lambda _: request("GET", "/v1/stats"),
        b"400  key": lambda _: request("GET", "/v1/cache/test/"),
    }
    wanted = rng.choices(list(kinds), k=1000)
    requests = [kinds[kind](number) for number, kind in enumerate(wanted)]
    answers = await ask(live, *requests, get("hot", CLOSE))
    assert len(answers) == 1001
    for number, (kind, answer) in enumerate(zip(wanted, answers, strict=False)):
        status, _, body = kind.partition(b" ")
        assert answer.startswith(status), (SEED, number, kind, answer)
        if body in {b"hot", b"deep"}:
            assert answer.partition(b"\r\n\r\n")[2].startswith(body), (SEED, number, kind, answer)
    await idle(live)


async def test_requests_behind_one_that_waits_for_l3_wait_with_it(live: Sidecar) -> None:
    """A hit in memory could be answered at once, but would overtake."""
    await only_in_l3(live, "deep")
    await ask(live, put("hot", b"hot"), get("hot", CLOSE))
    allow_l3_time(live)
    async with connected(live) as (reader, writer):
        with stopped(live):
            writer.write(get("deep") + get("hot"))
            writer.write(put("hot", b"new"))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.2)
        answers = b""
        while answers.count(b"HTTP/1.1 ") < 3 or not answers.endswith(b"\r\n\r\n"):
            answers += await reader.read(1 << 16)
        first, second, third = answers.split(b"HTTP/1.1 ")[1:]
        assert first.partition(b"\r\n\r\n")[2].startswith(b"deep")
        assert second.endswith(b"\r\n\r\nhot")
        assert third.startswith(b"204 ")
    await idle(live)


@pytest.mark.parametrize(
    ("requests", "statuses"),
    [
        ([get("deep")], [b"200"]),
        ([put("new", b"v")], [b"201"]),
        ([request("DELETE", path("deep"))], [b"204"]),
        ([get("deep"), get("hot"), put("new", b"v"), get("hot")], [b"200", b"200", b"201", b"200"]),
        ([put("new", b"v", "If-None-Match: *"), get("hot")], [b"201", b"200"]),
        ([request("GET", "/v1/stats")], [b"200"]),
    ],
)
@pytest.mark.parametrize("slow", [False, True])
async def test_a_half_closed_connection_gets_its_answers(
    live: Sidecar, requests: list[bytes], statuses: list[bytes], *, slow: bool
) -> None:
    """The client sends and shuts its side down, as `nc -N` does; the connection ends then."""
    await only_in_l3(live, "deep")
    await ask(live, put("hot", b"hot"), get("hot", CLOSE))
    allow_l3_time(live)
    async with connected(live) as (reader, writer):
        writer.write(b"".join(requests))
        with stopped(live) if slow else nullcontext():
            writer.write_eof()
            await asyncio.sleep(0.1)
        answers = (await asyncio.wait_for(reader.read(), 30)).split(b"HTTP/1.1 ")[1:]
        assert [answer[:3] for answer in answers] == statuses
    await idle(live)


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("sent", [get("deep"), put("new", b"v"), request("DELETE", path("deep"))])
async def test_a_client_that_leaves_before_its_answer_leaves_nothing(
    live: Sidecar, sent: bytes, *, reset: bool
) -> None:
    """It closes or resets its connection while L3 is asked."""
    await only_in_l3(live, "deep")
    async with connected(live) as (_, writer):
        with stopped(live):
            writer.write(sent * 3)
            stats = live.admissions["http"].stats
            await eventually(lambda: stats.in_flight, "it is asked")
            if reset:
                writer.transport.abort()
            writer.close()
            await asyncio.sleep(0.05)
    await idle(live)


async def test_a_thousand_open_answers_survive_the_death_of_l3(live: Sidecar) -> None:
    """Reads are misses, or hits of the next process; writes are answered by the next process."""
    await only_in_l3(live, *(f"deep-{number}" for number in range(500)))
    allow_l3_time(live)
    pid = live.l3.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)

    async def one(number: int) -> bytes:
        sent = get(f"deep-{number}") if number < 500 else put(f"new-{number}", b"v")
        return await exchange(live.ports["http"], sent, hang_up=True)

    stats = live.admissions["http"].stats
    asked: list[asyncio.Task[bytes]] = []
    while len(asked) < 1000:  # the queue of connections to be accepted is shorter
        asked += [asyncio.create_task(one(len(asked) + number)) for number in range(100)]
        await eventually(lambda: stats.in_flight == len(asked), "all are asked")  # noqa: B023
    os.kill(pid, signal.SIGKILL)
    answers = await asyncio.wait_for(asyncio.gather(*asked), 30)
    assert {answer[9:12] for answer in answers[:500]} <= {b"200", b"404"}
    assert {answer[9:12] for answer in answers[500:]} == {b"201"}
    await idle(live)
    *got, _ = await ask(live, *(get(f"new-{number}") for number in range(500, 1000)), get(0, CLOSE))
    assert all(answer.startswith(b"200 ") for answer in got)


async def test_tiers_may_shrink_while_an_answer_is_open(live: Sidecar) -> None:
    """The value that L3 gives is answered, although memory has room for one entry only."""
    await only_in_l3(live, *range(20))
    allow_l3_time(live)
    async with connected(live) as (reader, writer):
        with stopped(live):
            writer.write(b"".join(get(number) for number in range(19)) + get(19, CLOSE))
            await eventually(lambda: in_flight(live), "it is asked")
        with limited(live, max_entries=1):
            answers = (await reader.read()).split(b"HTTP/1.1 ")[1:]
            assert len(live.store.l1) + len(live.store.l2) <= 2
    bodies = [answer.partition(b"\r\n\r\n")[2].rstrip(b".") for answer in answers]
    assert bodies == [str(number).encode() for number in range(20)]
    await idle(live)


async def packed_in_l3(live: Sidecar, name: str, value: bytes) -> None:
    """Store a value that memory packs, and that L3 gets packed since it had evicted it."""
    await ask(live, put(name, value), get(name, CLOSE))
    with limited(live, max_entries=1):
        await ask(live, put("other", b"v"), get("other", CLOSE))
    entry = live.store.memory.held.entries(L2)[f"test/{name}".encode()]
    await eventually(lambda: isinstance(entry.value, Packed), "it is packed")
    entry.on_disk = 0
    await only_in_l3(live, "small")
    await eventually(lambda: not live.store.disk.pending, "L3 has it")


async def test_a_large_value_is_unpacked_aside(live: Sidecar) -> None:
    """One that is compressed in L3 and too large for the loop is left to the task, in its order."""
    await packed_in_l3(live, "large", b"large" * 100_000)
    large, small, last = await ask(live, get("large"), get("small"), get("large", CLOSE))
    assert large.endswith(b"\r\n\r\n" + b"large" * 100_000)
    assert b"small" in small
    assert last.endswith(b"large")
    await idle(live)


async def test_a_stop_waits_for_a_value_that_is_unpacked_aside(live: Sidecar, serve: Serve) -> None:
    """L3 answers during the stop; the value is left to the task and sent whole."""
    await packed_in_l3(live, "large", b"large" * 100_000)
    allow_l3_time(live)
    served = await serve(Limits())
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    with stopped(live):
        writer.write(get("large"))
        await eventually(lambda: served.admission.stats.in_flight, "it is asked")
        served.server.pre_shutdown()
        stopping = asyncio.create_task(served.server.shutdown(30.0))
        await asyncio.sleep(0.05)
    answer = await asyncio.wait_for(reader.read(), 30)
    assert answer.partition(b"\r\n\r\n")[2] == b"large" * 100_000
    await stopping
    writer.close()
    assert served.admission.stats.in_flight == 0
    assert served.admission.connections == 0


def test_a_stop_waits_for_an_open_answer(tmp_path: Path, start_sidecar: StartSidecar) -> None:
    """The client has its answer before the connection ends."""
    config = tmp_path / "config"
    config.mkdir()
    (config / "cache.yaml").write_text("tiers: {l3: {timeout: 30s}}\n")
    sidecar = start_sidecar("--config", str(config))
    child = sidecar.child
    assert child is not None
    os.kill(child, signal.SIGSTOP)
    with socket.create_connection(("127.0.0.1", sidecar.port)) as client:
        client.sendall(put("new", b"v"))
        wait_until(lambda: sidecar.stats()["l3"]["waiting"], "the put waits")
        sidecar.signal(signal.SIGTERM)
        time.sleep(0.1)
        os.kill(child, signal.SIGCONT)
        assert client.recv(1000).startswith(b"HTTP/1.1 201 ")
    assert sidecar.wait()[0] == 0


# ---- the parser's limit of waiting requests, and bodies, which parse what is behind them


@pytest.mark.parametrize("count", [30, 31, 32, 40, 200])
async def test_hits_behind_a_put_are_answered_in_order(live: Sidecar, count: int) -> None:
    """Reading a body makes aiohttp parse the data behind it, in the middle of a turn."""
    await ask(live, *(put(n, b"value-%d" % n) for n in range(count)), get(0, CLOSE))
    answers = await ask(live, put("x", b"v"), *(get(n) for n in range(count)), get(0, CLOSE))
    bodies = [answer.partition(b"\r\n\r\n")[2] for answer in answers]
    assert bodies == [b"", *(b"value-%d" % n for n in range(count)), b"value-0"]
    await idle(live)


async def test_puts_and_deletes_in_one_packet_are_done_in_order(live: Sidecar) -> None:
    """A hundred of the same key."""
    requests = [put("x", b"%d" % n) if n % 3 else request("DELETE", path("x")) for n in range(100)]
    answers = await ask(live, *requests, get("x", CLOSE))
    wanted = [b"404" if not n else b"204" if n % 3 != 1 else b"201" for n in range(100)]
    assert [answer[:3] for answer in answers] == [*wanted, b"404"]
    await idle(live)


async def test_a_body_in_a_second_packet_stops_no_later_request(live: Sidecar) -> None:
    """The parser counts that request twice for a moment, and stops one request earlier."""
    await ask(live, put("hot", b"hot"), get("hot", CLOSE))
    async with connected(live) as (reader, writer):
        head, _, body = put("x", b"value").partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        await asyncio.sleep(0.05)
        writer.write(body)
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.write(get("hot") * 70)
        for _ in range(70):
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\nhot"), 5)
    await idle(live)


async def test_an_upgrade_of_an_entry_is_declined_and_the_next_request_answered(
    live: Sidecar,
) -> None:
    """A WebSocket client gets the entry; requests behind it are answered, too."""
    upgrade = ("Connection: Upgrade", "Upgrade: websocket")
    await ask(live, put("hot", b"hot"), get("hot", CLOSE))
    async with connected(live) as (reader, writer):
        for sent in (get("hot", *upgrade), get("hot"), get("hot", *upgrade), get("hot")):
            writer.write(sent)
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\nhot"), 5)
    await idle(live)


@pytest.mark.parametrize("before", [0, 29, 30, 31, 32])
async def test_requests_behind_an_upgrade_are_answered(live: Sidecar, before: int) -> None:
    """Wherever it is in a packet, and after a body in a second packet as well."""
    upgrade = get("hot", "Connection: Upgrade", "Upgrade: websocket")
    await ask(live, put("hot", b"hot"), get("hot", CLOSE))
    async with connected(live) as (reader, writer):
        head, _, body = put("x", b"value").partition(b"\r\n\r\n")
        for sent in (head + b"\r\n\r\n", body):
            writer.write(sent)
            await asyncio.sleep(0.02)
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.write(get("hot") * before + upgrade + get("hot") * 60)
        for _ in range(before + 61):
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\nhot"), 5)
    await idle(live)


async def test_a_damaged_value_is_an_error_and_leaks_nothing(live: Sidecar) -> None:
    """500 for each read, from L3 and from memory; the connection goes on."""
    await ask(live, put("damaged", b"compressible " * 1000), get("damaged", CLOSE))
    with limited(live, max_entries=1):
        await ask(live, put("other", b"v"), get("other", CLOSE))
    live.store.memory.held.entries(L2)[b"test/damaged"].value = Packed(b"damaged", 13_000)
    *answers, last = await ask(live, *[get("damaged")] * 3, get("other", CLOSE))
    assert [answer[:3] for answer in answers] == [b"500"] * 3
    assert last.endswith(b"v")
    await idle(live)


# ---- errors of ours


class BrokenPolicy(Lru[N]):
    """The policy of a plugin, with an error in it."""

    def __init__(self, nodes: Iterable[N]) -> None:
        super().__init__()
        for node in nodes:
            super().insert(node)

    def insert(self, node: N) -> None:
        raise KeyError(node.key)

    def hit(self, node: N) -> None:
        raise KeyError(node.key)


@pytest.mark.parametrize("sent", [get("hot"), put("new", b"v"), get("hot") + put("new", b"v")])
async def test_a_policy_with_an_error_leaves_no_request_in_flight(
    live: Sidecar, sent: bytes
) -> None:
    """The connection ends, since the request may have been carried out in part."""
    await ask(live, put("hot", b"hot"), get("hot", CLOSE))
    held = live.store.memory.held
    good, held.ready = held.ready, BrokenPolicy(held.ready)
    for _ in range(3):
        assert await exchange(live.ports["http"], sent) == b""
    held.ready = good
    assert (await ask(live, get("hot", CLOSE)))[0].endswith(b"hot")
    await idle(live)


async def at_once(live: Sidecar, sent: bytes) -> bytes:
    """The status of a request that no task is started for, unlike one that closes by its header."""
    return (await exchange(live.ports["http"], sent, hang_up=True))[9:12]


async def test_entries_that_cannot_be_promoted_are_answered(live: Sidecar) -> None:
    """The reply of L3 has answers for other connections, and an acknowledgement."""
    await only_in_l3(live, "a", "b", "c")
    allow_l3_time(live)
    held = live.store.memory.held
    good = held.order
    with stopped(live):
        sent = (get("a"), get("b"), get("c"), get("a"), put("new", b"v"))
        asked = [asyncio.create_task(at_once(live, one)) for one in sent]
        await eventually(lambda: in_flight(live) == 5, "all are asked")
        held.order = BrokenPolicy(good)
    assert await asyncio.gather(*asked) == [b"200"] * 4 + [b"201"]
    held.order = good
    assert await at_once(live, get("a")) == b"200"
    assert live.l3.restarts.total() == 0
    await idle(live)


async def test_an_error_of_a_policy_in_an_overtaken_read_is_an_internal_error(
    live: Sidecar,
) -> None:
    """The answer of L3 is out of date, and the version in memory cannot be used."""
    await only_in_l3(live, "a", "b")
    allow_l3_time(live)
    held = live.store.memory.held
    good = held.order
    with stopped(live):
        asked = [asyncio.create_task(at_once(live, get(name))) for name in ("a", "a", "b")]
        await eventually(lambda: in_flight(live) == 3, "all are asked")
        asked.append(asyncio.create_task(at_once(live, put("a", b"new"))))
        await eventually(lambda: in_flight(live) == 4, "a is written")
        held.order = BrokenPolicy(good)
    assert await asyncio.gather(*asked) == [b"500", b"500", b"200", b"204"]
    held.order = good
    assert await at_once(live, get("a")) == b"200"
    assert live.l3.restarts.total() == 0
    await idle(live)


async def test_a_reply_that_cannot_be_made_is_an_internal_error(live: Sidecar) -> None:
    """500, as from the task, and the next request is answered."""
    await ask(live, put("wrong", b"v"), get("wrong", CLOSE))
    with limited(live, max_entries=1):
        await ask(live, put("other", b"v"), get("other", CLOSE))
    entry = live.store.memory.held.entries(L2)[b"test/wrong"]
    entry.times = complex(math.nan, entry.expires_at)
    first, second = await ask(live, get("wrong"), get("other", CLOSE))
    assert first.startswith(b"500 ")
    assert second.endswith(b"v")
    await idle(live)


# ---- a slow L3, and requests that are wrong


async def test_writes_that_l3_does_not_confirm_in_time_are_unknown(live: Sidecar) -> None:
    """Two of one connection: 503 for the first, then for the second; L3 goes on afterwards."""
    async with connected(live) as (reader, writer):
        with stopped(live):
            writer.write(put("a", b"new-a") + put("b", b"new-b"))
            for _ in range(2):
                answer = await asyncio.wait_for(reader.readuntil(b"}"), 5)
                assert b"HTTP/1.1 503 " in answer
    first, second, *got = await ask(
        live, put("c", b"c"), put("d", b"d"), get("a"), get("b"), get("c"), get("d", CLOSE)
    )
    assert (first[:3], second[:3]) == (b"201", b"201")
    bodies = [answer.partition(b"\r\n\r\n")[2] for answer in got]
    assert bodies == [b"new-a", b"new-b", b"c", b"d"]
    await only_in_l3(live, "other")
    [again] = await ask(live, get("a", CLOSE))
    assert again.endswith(b"new-a")
    assert live.l3.restarts.total() == 0
    await idle(live)


async def test_a_length_of_thousands_of_digits_disturbs_nobody(live: Sidecar) -> None:
    """Neither alone, nor behind a request that waits for L3."""
    wrong = request("PUT", path("x"), f"Content-Length: {'0' * 5000}1", body=b"v")
    assert (await ask(live, wrong))[0][:3] == b"413"
    await only_in_l3(live, "deep", "other")
    allow_l3_time(live)
    async with connected(live) as (reader, writer):
        with stopped(live):
            writer.write(get("deep") + wrong)
            other = asyncio.create_task(ask(live, get("other", CLOSE)))
            await asyncio.sleep(0.1)
        answers = (await asyncio.wait_for(reader.read(), 30)).split(b"HTTP/1.1 ")[1:]
        assert [answer[:3] for answer in answers] == [b"200", b"413"]
    assert (await other)[0][:3] == b"200"
    assert live.l3.restarts.total() == 0
    await idle(live)


async def test_a_head_of_one_byte_a_moment_is_ended(serve: Serve) -> None:
    """Bytes alone are no request: the connection counts as idle."""
    served = await serve(Limits(idle_seconds=0.3))
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    ended = asyncio.create_task(reader.read())
    for byte in get("hot") * 100:
        if ended.done():
            break
        with suppress(ConnectionError):
            writer.write(bytes([byte]))
            await writer.drain()
        await asyncio.sleep(0.02)
    with suppress(ConnectionResetError):  # a byte on its way when it ended
        assert await asyncio.wait_for(ended, 5) == b""
    writer.close()


async def test_a_packed_value_in_l1_is_sent_unpacked(live: Sidecar) -> None:
    """Where L2 is switched off, L1 takes what L3 has, compressed or not."""
    value = b"compressible " * 1000
    await ask(live, put("packed", value), get("packed", CLOSE))
    with limited(live, max_entries=1):  # out of L1 into L2, and from there into L3
        await ask(live, put("other", b"v"), get("other", CLOSE))
    await only_in_l3(live, "packed-not")
    config = live.store.config
    off = replace(config.tiers, l2=replace(config.tiers.l2, enabled=False))
    live.store.apply(replace(config, tiers=off))
    for _ in range(3):
        [answer] = await ask(live, get("packed", CLOSE))
        assert answer.partition(b"\r\n\r\n")[2] == value
        [answer] = (await exchange(live.ports["http"], get("packed"), hang_up=True)).split(
            b"HTTP/1.1 "
        )[1:]
        assert answer.partition(b"\r\n\r\n")[2] == value
