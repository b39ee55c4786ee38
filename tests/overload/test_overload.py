"""More load than can be answered: what is accepted and refused, and what stays bounded.

Ratios and bounds, and no times: how long a request may take is measured by `make bench
ARGS=overload`, with more connections and from outside.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.http.serving import request
from tests.running import RunningSidecar, anonymous_bytes

GET = request("GET", "/v1/cache/test/key")
CONNECTIONS = 1000
SECONDS = 4.0
MIB = 1 << 20


class Clients:
    """Connections in a closed loop: each asks again as soon as it is answered, refused or not."""

    def __init__(self, stack: ExitStack, port: int, connections: int) -> None:
        self._answered = stack.enter_context(selectors.DefaultSelector())
        self.sockets = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 20))
            for _ in range(connections)
        ]
        for each in self.sockets:
            self._answered.register(each, selectors.EVENT_READ, each)
            each.send(GET)

    def run(self, seconds: float) -> Counter[bytes]:
        """The answers by status."""
        statuses: Counter[bytes] = Counter()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for key, _ in self._answered.select(1.0):
                client: socket.socket = key.data
                answer = client.recv(4096)
                statuses[answer[9:12]] += 1
                client.send(GET)
        return statuses


@contextmanager
def clients(sidecar: RunningSidecar, connections: int) -> Iterator[Clients]:
    with ExitStack() as stack:
        yield Clients(stack, sidecar.port, connections)


@pytest.fixture
def filled(sidecar: RunningSidecar) -> RunningSidecar:
    sidecar.put("key", b"v" * 100)
    return sidecar


def test_all_is_answered_and_probes_get_through(filled: RunningSidecar) -> None:
    """Each request gets its value or a 503, which is counted as late; no connection is ended.
    Probes are answered meanwhile, and afterwards everything is as before.
    """
    with clients(filled, CONNECTIONS) as load:
        statuses: Counter[bytes] = Counter()
        for _ in range(int(SECONDS)):
            statuses += load.run(1.0)
            assert filled.ops("/livez").status == 200
            assert filled.ops("/readyz").status == 200
        assert statuses.keys() <= {b"200", b"503"}
        assert statuses[b"200"] > statuses[b"503"]
        found = filled.metrics()
        shed = 'cache_sidecar_shed_requests_total{protocol="http",reason="%s"}'
        assert found[shed % "late"] >= statuses[b"503"]
        assert found[shed % "connections"] == found[shed % "silent"] == 0
    assert filled.get("key").status == 200


def test_memory_does_not_grow_with_refusals(filled: RunningSidecar) -> None:
    """What the first thousand connections have left in the heap is enough for the second."""
    with clients(filled, CONNECTIONS) as load:
        load.run(SECONDS / 2)
    before = anonymous_bytes(filled.pid)
    with clients(filled, CONNECTIONS) as load:
        load.run(SECONDS / 2)
    assert anonymous_bytes(filled.pid) - before < 8 * MIB


def test_few_connections_are_never_refused(filled: RunningSidecar) -> None:
    """However much they ask."""
    with clients(filled, 32) as load:
        assert load.run(SECONDS / 2).keys() == {b"200"}
