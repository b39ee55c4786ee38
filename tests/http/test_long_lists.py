"""Header fields that are lists, of which a head may have a mebibyte in its many lines."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from itertools import product

import pytest
from multidict import istr

from sidecar.app.sidecar import Sidecar
from sidecar.http import fields
from sidecar.http.wording import HEAD_BYTES
from tests.http.asking import CLOSE, ask, path, put
from tests.http.serving import raw_problem, request

NAMES = sorted(
    {
        *(name for name in vars(fields).values() if isinstance(name, istr)),
        *("Accept", "Accept-Encoding", "Cache-Groups", "Cache-Tag", "Connection", "Cookie"),
        *("Range", "Transfer-Encoding", "X-Forwarded-For"),
    }
)
ITEMS = ["a,", ",", '"a",', "a=b,", ", ", ";", 'a="', "\\x", "x"]
REQUESTS = [
    ("GET", path("a"), b""),
    ("PUT", path("a"), b"value"),
    ("DELETE", path("b"), b""),
    ("POST", "/v1/mget", b'{"namespace": "test", "keys": ["a"]}'),
    ("GET", "/", b""),
]
LINES = 32
MOST_COPIES = 16
"""Of a head, in both the client and the server of a test; matching it whole took 150 and more."""


def lines(name: str, item: str) -> list[str]:
    """Some of the field, each as long as one may be."""
    room = HEAD_BYTES - len(name) - 80
    return [f"{name}: {item * (room // len(item))}" for _ in range(LINES)]


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("item", ITEMS)
async def test_memory_is_in_proportion(live: Sidecar, item: str) -> None:
    """Whatever reads a field, on any path."""
    await ask(live, put("a", b"value", CLOSE))
    for name, (method, target, body) in product(NAMES, REQUESTS):
        length = f"Content-Length: {len(body)}"
        message = request(method, target, length, CLOSE, *lines(name, item), body=body)
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        await ask(live, message)
        _, peak = tracemalloc.get_traced_memory()
        assert peak - before < MOST_COPIES * len(message), (name, target)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("GET", "If-None-Match"),
        ("GET", "If-Match"),
        ("HEAD", "If-None-Match"),
        ("PUT", "Cache-Control"),
        ("PUT", "If-None-Match"),
        ("PUT", "Content-Encoding"),
        ("DELETE", "If-Match"),
    ],
)
async def test_a_list_may_take_what_a_line_may(live: Sidecar, method: str, name: str) -> None:
    """Longer ones are refused with the name of the field; several short lines are not."""
    [answer] = await ask(live, put("a", b"value", CLOSE))
    assert answer.startswith(b"201")
    body = b"other" if method == "PUT" else b""
    length = f"Content-Length: {len(body)}"
    item = '"5", ' if name.startswith("If") else "identity, "
    [answer] = await ask(
        live, request(method, path("a"), length, CLOSE, *lines(name, item)[:1] * 2, body=body)
    )
    if method == "HEAD":
        assert answer.startswith(b"431")
    else:
        assert f"All lines of {name}" in raw_problem(b"HTTP/1.1 " + answer, 431)
    short = [f"{name}: {item}"] * 100
    [answer] = await ask(live, request(method, path("a"), length, CLOSE, *short, body=body))
    assert int(answer[:3]) in {200, 201, 204, 412}
