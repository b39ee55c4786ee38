"""What the benchmark measures over the Redis protocol: the same load on both sides, and what proves
that the tier of a case has answered.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from typing import Any

import pytest

from tests.bench.cases import groups
from tests.bench.client import Client, run
from tests.bench.filling import REDIS_KEY
from tests.bench.in_python import InPython
from tests.bench.load import Load
from tests.bench.measuring import AS_MEANT
from tests.bench.servers import Redis, Running, Sidecar
from tests.bench.sides import RedisBenchmark, proven


def test_both_sides_over_the_redis_protocol_have_the_same_command_line() -> None:
    for case in groups()["resp"]:
        ours, theirs = case.ours, case.theirs
        assert isinstance(ours, RedisBenchmark | InPython), case.name
        if isinstance(theirs, RedisBenchmark | InPython):
            assert type(ours) is type(theirs)
            assert without_server(ours) == without_server(theirs), case.name


def without_server(side: RedisBenchmark | InPython) -> dict[str, Any]:
    return {each.name: getattr(side, each.name) for each in fields(side) if each.name != "server"}


class Stats(BaseHTTPRequestHandler):
    """A sidecar's /v1/stats, and hits that a test adds."""

    hits = 0

    def do_GET(self) -> None:
        body = json.dumps({"misses": 0, "tiers": {"l2": {"hits": Stats.hits}}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def counting() -> Iterator[Running]:
    """What a server counts is asked of Stats."""
    with HTTPServer(("127.0.0.1", 0), Stats) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Running(server.server_port, os.getpid())
        server.shutdown()
        thread.join()


def test_the_counters_prove_which_tier_has_answered(counting: Running) -> None:
    """Of a sidecar; a peer has no tiers."""

    def load() -> Load:
        Stats.hits += 60
        return Load(100, 1.0)

    shares = [proven(it, counting, "l2", load)[0][AS_MEANT] for it in (Sidecar(), Redis())]
    assert shares == [0.6, 1.0]


# ---- the client in Python


def test_a_client_in_python_asks_until_the_time_is_over() -> None:
    """A GET that finds nothing is an error; each takes a second of this clock."""
    seconds = count(100.0)
    found = {"key:000000000000": b"value"}
    ask = partial(run, Client(found.get, found.setdefault), clock=lambda: next(seconds))
    assert ask("get", 1, 8, 4) == Load(4, 4.0, 0, 1.0, 1.0, 1.0)
    missed = ask("get", 10, 8, 50)
    assert 0 < missed.errors < missed.operations == 50
    assert ask("set", 10, 5, 50).errors == 0
    assert found.keys() == {f"key:{number:012}" for number in range(10)}
    assert {len(value) for value in found.values()} == {5}


def test_the_keys_are_those_of_redis_benchmark() -> None:
    assert REDIS_KEY % 12 == b"key:000000000012"
