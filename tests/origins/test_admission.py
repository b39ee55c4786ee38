"""Which loads are sent to an origin, and what is left of those that end early."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from sidecar.origins.allowed import Allowed
from sidecar.origins.breaker import FAILURES, FIRST_SECONDS
from sidecar.origins.errors import BreakerOpenError, TooManyFetchesError, UnsafeKeyError
from sidecar.origins.origin import OUTCOMES
from sidecar.origins.own import OwnListeners
from sidecar.origins.results import Terms
from tests.http.serving import eventually
from tests.origins.loading import TERMS, failure, fetched, origin_at, origin_with
from tests.origins.server import Request, response, serving


async def test_fetches_in_flight_are_bounded() -> None:
    """Those beyond fail at once, and the origin does not see them."""
    free = asyncio.Event()

    async def wait(request: Request, writer: asyncio.StreamWriter) -> None:
        await free.wait()
        writer.write(response(200, b"value"))

    async with origin_with(wait, max_in_flight=3) as (origin, server):
        loads = [asyncio.create_task(origin.load(b"%d" % key, TERMS)) for key in range(3)]
        await eventually(lambda: len(server.requests) == 3, "all are in flight")
        for _ in range(10):
            with pytest.raises(TooManyFetchesError, match="3 fetches"):
                await origin.load(b"a", TERMS)
        free.set()
        assert {fetched(result).value for result in await asyncio.gather(*loads)} == {b"value"}
        assert len(server.requests) == server.connections == 3
        fetched(await origin.load(b"a", TERMS))
        assert origin.in_flight == 0
        assert (origin.outcomes["fetched"], origin.outcomes["too_many"]) == (4, 10)


async def test_a_load_that_is_cancelled_leaves_nothing_behind() -> None:
    async def wait(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(response(200, b"half", length=100))
        await writer.drain()
        await asyncio.Event().wait()

    async with origin_with(wait) as (origin, server):
        load = asyncio.create_task(origin.load(b"a", TERMS))
        await eventually(lambda: server.requests, "the request is there")
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await load
        assert origin.in_flight == 0
        assert origin.outcomes["cancelled"] == 1
        assert origin.breaker_state == "closed"


async def test_a_failing_origin_is_left_alone_until_a_trial_succeeds() -> None:
    async with origin_with(response(503)) as (origin, server):
        for _ in range(FAILURES):
            await failure(origin)
        asked = len(server.requests)
        with pytest.raises(BreakerOpenError) as caught:
            await origin.load(b"a", TERMS)
        assert 0 <= caught.value.retry_after_seconds <= FIRST_SECONDS
        assert len(server.requests) == asked
        server.answer = response(200, b"value")
        await eventually(lambda: origin.breaker_state == "half_open", "a trial is due")
        fetched(await origin.load(b"a", TERMS))
        assert origin.breaker_state == "closed"
        assert origin.breaker_openings == 1
        assert origin.outcomes["breaker_open"] == 1


@pytest.mark.parametrize("answer", [response(403), response(204), response(200, b"x" * 2000)])
async def test_answers_about_one_key_do_not_open_the_breaker(answer: bytes) -> None:
    """Nor does a value that is too large."""
    terms = Terms(default_ttl_seconds=60, max_value_bytes=1000)
    async with origin_with(answer) as (origin, server):
        for _ in range(2 * FAILURES):
            if b"403" in answer:
                await origin.load(b"a", terms)
            else:
                await failure(origin, b"a", terms)
        assert len(server.requests) == 2 * FAILURES
        assert origin.breaker_state == "closed"


async def test_an_unsafe_key_is_not_asked_for() -> None:
    async with origin_with(response(200, b"value")) as (origin, server):
        with pytest.raises(UnsafeKeyError):
            await origin.load(b"../admin", TERMS)
        assert not server.connections
        assert origin.in_flight == sum(origin.outcomes.values()) == 0
        assert set(origin.outcomes) == set(OUTCOMES)


async def test_a_key_with_line_breaks_is_one_request() -> None:
    async with origin_with(response(200, b"value")) as (origin, server):
        await origin.load(b"a HTTP/1.1\r\nHost: b\r\n\r\nGET /admin", TERMS)
        [request] = server.requests
        assert request.target.startswith("/items/a%20HTTP/1.1%0D%0AHost%3A%20b%0D%0A")


async def test_a_configuration_with_a_fault_is_refused() -> None:
    with pytest.raises(ValueError, match=r"url: .*--origin-allow"):
        origin_at("http://10.0.0.1/{key}")


@pytest.mark.parametrize(
    ("host", "address", "sentence"),
    [
        ("localhost", "10.0.0.1", "which is not a loopback address"),
        ("api", "127.0.0.1", "is the sidecar itself"),
    ],
)
async def test_a_name_is_checked_again_when_it_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, host: str, address: str, sentence: str
) -> None:
    """Whoever answers for a name may answer with another address than before (DNS rebinding)."""

    async def resolve(*args: object, **options: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 7070))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    origin = origin_at(
        f"http://{host}:7070/{{key}}",
        allowed=Allowed([f"http://{host}:7070"]),
        own=OwnListeners([("127.0.0.1", 7070)] if host == "api" else ()),
    )
    error = await failure(origin)
    assert (error.kind, error.status, error.is_ill) == ("forbidden", 502, False)
    assert sentence in str(error)
    await origin.close()


async def test_loads_fail_once_the_origin_is_closed() -> None:
    async def wait(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with origin_with(wait) as (origin, server):
        load = asyncio.create_task(failure(origin))
        await eventually(lambda: server.requests, "the request is there")
        await origin.close()
        assert (await load).kind == "interrupted"
        assert (await failure(origin)).kind == "interrupted"


async def test_a_certificate_that_is_not_trusted_is_an_error(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    making = await asyncio.create_subprocess_exec(
        *command, "-keyout", key, "-out", certificate, stderr=subprocess.DEVNULL
    )
    assert await making.wait() == 0
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    async with serving(response(200, b"value"), tls) as server:
        origin = origin_at(f"https://localhost:{server.port}/{{key}}")
        error = await failure(origin)
        assert error.kind == "unreachable"
        assert "its certificate is not valid" in str(error)
        await origin.close()
