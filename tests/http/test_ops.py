"""The ops port under attack: probes are answered, and the data path does not notice."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest

from sidecar.serving.limits import OPS_LIMITS
from tests.conftest import StartSidecar
from tests.running import RunningSidecar, wait_until

SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
CONNECTIONS = 'cache_sidecar_connections{protocol="ops"}'
NOBODYS = "127.0.0.2"
"""An address from which no probe comes."""


@contextmanager
def clients(sidecar: RunningSidecar, count: int, sent: bytes, source: str) -> Iterator[None]:
    """So many connections, none of which is ended by its client."""
    with ExitStack() as stack:
        for _ in range(count):
            address = ("127.0.0.1", sidecar.ops_port)
            made = stack.enter_context(socket.create_connection(address, 20, (source, 0)))
            with suppress(ConnectionError):  # it may have been closed for a later one
                made.sendall(sent)
        yield


@pytest.mark.parametrize("source", ["127.0.0.1", NOBODYS])
@pytest.mark.parametrize(
    ("count", "sent"),
    [
        pytest.param(2060, b"", id="silent"),
        pytest.param(500, SCRAPE[:10], id="half-a-head"),
        pytest.param(300, SCRAPE, id="scrapes"),
        pytest.param(100, SCRAPE * 200, id="pipelines-of-scrapes"),
    ],
)
def test_probes_get_through(
    own_sidecar: RunningSidecar, count: int, sent: bytes, source: str
) -> None:
    """Whatever other connections there are, from another address or the same: each probe is
    answered, and so is a GET of an entry. There are never more of them than their limit.
    """
    own_sidecar.put("key", b"v")
    with clients(own_sidecar, count, sent, source):
        for _ in range(5):
            assert own_sidecar.ops("/livez").status == 200
            assert own_sidecar.ops("/readyz").status == 200
            assert own_sidecar.get("key").body == b"v"
        assert own_sidecar.metrics()[CONNECTIONS] <= OPS_LIMITS.connections
    wait_until(lambda: own_sidecar.metrics()[CONNECTIONS] == 1, "only the scraper is left")


def test_a_pipeline_gets_one_answer(own_sidecar: RunningSidecar) -> None:
    """The first request of a piece is answered, and the connection closed: no client of this port
    sends several, and each would cost the data path.
    """
    address = ("127.0.0.1", own_sidecar.ops_port)
    livez = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with closing(socket.create_connection(address, 20)) as client:
        client.sendall(livez * 3)
        received = b""
        with suppress(ConnectionError):
            while chunk := client.recv(4096):
                received += chunk
    assert received.count(b"HTTP/1.1 200") == 1
    assert b"Connection: close" in received


def test_requests_one_after_the_other_share_a_connection(own_sidecar: RunningSidecar) -> None:
    """As Prometheus sends them."""
    address = ("127.0.0.1", own_sidecar.ops_port)
    with closing(socket.create_connection(address, 20)) as client:
        for path in (b"/livez", b"/readyz", b"/livez"):
            client.sendall(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_clients_of_the_data_port_leave_descriptors_for_probes(start_sidecar: StartSidecar) -> None:
    """With a limit of 600 descriptors, of which silent data connections take what they may; they
    make room for a client that asks, too.
    """
    sidecar = start_sidecar(wrapper=("prlimit", "--nofile=600:600"))
    with ExitStack() as stack:
        for _ in range(900):
            made = socket.create_connection(("127.0.0.1", sidecar.port), 20)
            stack.enter_context(closing(made))
        for _ in range(5):
            assert sidecar.ops("/livez").status == 200
        wait_until(lambda: is_answered(sidecar), "silent ones have given way")


def is_answered(sidecar: RunningSidecar) -> bool:
    """Whether a new connection to the data port is accepted, and its request answered."""
    try:
        return sidecar.get("key").status == 404
    except ConnectionError:
        return False
