"""How bodies and connections end: in the middle, as something that is not HTTP, or with a reset."""

from __future__ import annotations

import asyncio
import gc
import socket
from contextlib import suppress
from typing import Any

import pytest

from sidecar.app.sidecar import Sidecar
from sidecar.serving.limits import Limits
from tests.http.asking import CLOSE, ask, connected, get, idle, only_in_l3, path, put, stopped
from tests.http.serving import Serve, eventually, raw_problem, request


@pytest.mark.parametrize("rest", [b"zz\r\n", b"3\r\nabcd\r\n", b"3\r\nabc\r\n" + b"z" * 500])
async def test_a_body_that_is_not_http_is_refused_at_once(serve: Serve, rest: bytes) -> None:
    """400, however it is split: the parser raises its error again for every further piece."""
    served = await serve(Limits())
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(request("PUT", path("x"), "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n"))
    await eventually(lambda: served.admission.budget.used_bytes == 3, "its first chunk is read")
    [connection] = served.server.connections
    for byte in rest:
        with suppress(ConnectionError):
            writer.write(bytes([byte]))
            await writer.drain()
        assert len(connection._messages) <= 1
    answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.count(b"HTTP/1.1 ") == 1
    raw_problem(answer, 400)
    writer.close()
    await eventually(lambda: not served.admission.connections, "it is closed")
    assert served.admission.stats.in_flight == served.admission.budget.used_bytes == 0


async def test_what_is_not_http_behind_a_request_at_work_is_refused_once(live: Sidecar) -> None:
    """The requests before it that are parsed already are answered, in order."""
    await only_in_l3(live, "deep")
    async with connected(live) as (reader, writer):
        with stopped(live):
            writer.write(get("deep") + get("missing"))
            await asyncio.sleep(0.05)
            for byte in b"\x16\x03\x01 nonsense\r\n\r\n":
                writer.write(bytes([byte]))
                await asyncio.sleep(0.001)
        answers = (await asyncio.wait_for(reader.read(), 5)).split(b"HTTP/1.1 ")[1:]
        assert [answer[:3] for answer in answers] == [b"200", b"404", b"400"]
    await idle(live)


async def test_requests_in_one_piece_with_what_is_not_http_are_not_carried_out(
    live: Sidecar,
) -> None:
    """They are lost with the parser; the 400 is the answer to the first of them."""
    [answer] = await ask(live, put("a", b"v") + put("b", b"v") + b"\x16\x03\x01 nonsense\r\n\r\n")
    assert answer.startswith(b"400 ")
    answers = await ask(live, get("a"), get("b", CLOSE))
    assert [answer[:3] for answer in answers] == [b"404", b"404"]
    await idle(live)


async def test_a_body_behind_an_upgrade_that_breaks_off_is_not_waited_for(live: Sidecar) -> None:
    """The client shuts its side down in the middle; the connection ends then."""
    upgrade = get("hot", "Connection: Upgrade", "Upgrade: websocket")
    async with connected(live) as (reader, writer):
        writer.write(upgrade + request("PUT", path("x"), "Content-Length: 100", body=b"half"))
        await asyncio.wait_for(reader.readuntil(b"}"), 5)
        await eventually(
            lambda: live.admissions["http"].budget.used_bytes == 4, "the rest is awaited"
        )
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 5) == b""
    await idle(live)


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_client_that_is_gone_before_the_task_runs_is_no_error(
    serve: Serve, *, at_once: bool
) -> None:
    """It resets the connection in the turn of the event loop in which its request arrives."""
    served = await serve(Limits())
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    connection = served.server()
    ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    connection.connection_made(transport)
    await asyncio.sleep(0)
    connection.data_received(request("PUT", path("x"), "Content-Length: 9", body=b"half"))
    if not at_once:
        await asyncio.sleep(0)
    connection.connection_lost(ConnectionResetError())
    del connection
    await asyncio.sleep(0.01)
    theirs.close()
    gc.collect()
    assert errors == []
    assert ("unknown", 500) not in served.admission.stats.answered
    assert served.admission.stats.in_flight == served.admission.connections == 0
