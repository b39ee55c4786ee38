"""Requests that have to be refused, of every kind that can be written down: each with a mistake."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import msgspec

from tests.http.serving import request

PATH = "/v1/cache/test/key"
CLOSE = "Connection: close"
HEADS = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\r\n\r\nX\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.2\r\n\r\n",
    b"GET / HTTP/2.0\r\n\r\n",
    b"GET / HTTP/x\r\n\r\n",
    b"GET / HTTPS/1.1\r\n\r\n",
    b"GET  / HTTP/1.1\r\n\r\n",
    b"GET / x HTTP/1.1\r\n\r\n",
    b"get / HTTP/1.1\r\n\r\n",
    b"G\xffT / HTTP/1.1\r\n\r\n",
    b"BREW /v1/stats HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET localhost HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\n\r\n",
    b"GET /\x7f HTTP/1.1\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET http:///x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
)
FIELDS = (
    "no colon",
    ": no name",
    "na me: x",
    " folded: x",
    "X\x00: x",
    "X: a\x00b",
    "X: a\rb",
    "X\xe9: x",
    "Content-Length: x",
    "Content-Length: -1",
    "Content-Length: +1",
    "Content-Length: 1e3",
    "Content-Length: 1, 2",
    "Content-Length: 1\r\nContent-Length: 2",
    "Content-Length: " + "9" * 30,
    "Content-Length: 1\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: x",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: chunked, chunked",
    "X: " + "x" * 9000,
    "\r\n".join(f"X{number}: x" for number in range(200)),
    "Host: evil.example",
    "Origin: http://evil.example",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x",
)
CHUNKS = (
    b"x\r\n",
    b"-1\r\n",
    b"\r\n",
    b"5;\x00\r\n",
    b"3\r\nabcd\r\n0\r\n\r\n",
    b"3\r\nab\r\n0\r\n\r\n",
    b"3 \r\nabc\r\n0\r\n\r\n",
    b"fffffffffffffffff\r\n",
    b"3\nabc\n0\n\n",
    b"0\r\nbad trailer\r\n\r\n",
)
PUT_FIELDS = (
    *(f"Content-Encoding: {each}" for each in ("x", "gzip", "deflate", "zstd", "br", "gzip,", ",")),
    *(f"Cache-Control: {each}" for each in ("no-store", "max-age=x", "max-age=-1", "max-age=0")),
    *(f"Expires: {each}" for each in ("0", "x", "Thu, 01 Jan 1970 00:00:00 GMT")),
    *(
        f"Content-Type: {each}"
        for each in ("x", "text/plain; x", "a/b/c", "\xe9/x", '"', "a/" + "b" * 2000)
    ),
    *(f"If-Match: {each}" for each in ("x", '"x', "*, *", "")),
    *(f"If-None-Match: {each}" for each in ("x", '"x', "\x80")),
    "Content-Range: bytes 0-1/2",
    "Expect: a-miracle",
    "Cache-Tag: a",
)
QUERIES = (
    *("x", "=", "&", "ttl", "ttl=", "ttl=x", "ttl=-1", "ttl=1e999", "ttl=nan", "ttl=inf"),
    *("ttl=1&ttl=2", "ttl=%00", "ttl=" + "9" * 5000, "%ff=1", "ttl=%ff", "limit=0", "limit=x"),
    *("namespace=", "namespace=%ff", "namespace=test&cursor=x", "namespace=test&cursor=AAAA"),
    *("namespace=test&limit=1.5", "namespace=test&limit=" + "9" * 5000, "namespace=a/b"),
    *("dry_run=x", "dry_run=TRUE", "signal=x", "since=x", "rule=x"),
)
KEYS = (
    "",
    "/v1/cache/",
    "/v1/cache/test",
    "/v1/cache/test/",
    "/v1/cache//key",
    "/v1/cache/t%20t/k",
)
ROUTES = (
    *(
        ("GET", path)
        for path in (PATH, "/v1/stats", "/v1/keys", "/v1/hot", "/v1/config", "/x", "/")
    ),
    *(("GET", path) for path in ("/v1/signals", "/v1/optimizer/outcomes", "/openapi.json")),
    *(("POST", path) for path in ("/v1/optimizer/run", "/v1/optimizer/reset", "/v1/mget")),
    *(("PUT", path) for path in (PATH, "/v1/stats", f"{PATH}/../x", f"{PATH}/%2e%2e/x")),
    *(("PATCH", path) for path in (PATH, "/v1/mget", "/nowhere", "/console/none.js")),
)
BATCHES = ("/v1/mget", "/v1/mset", "/v1/mdelete", "/v1/invalidate")
NOT_JSON = (
    *(b"", b"{", b"[", b"x", b"\xff", b"\x00", b'"', b"nul", b"NaN", b"{}x", b'{"a": \xff}'),
    *(b'{"namespace": "\\ud800", "keys": []}', b'{"namespace": "test", "keys": ["\\udfff"]}'),
    *(b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000, b"1e999", b"\xef\xbb\xbf{}", b"{'a': 1}"),
)
ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        -1,
        1.5,
        1e308,
        1 << 70,
        "",
        "x",
        "a/b",
        "\x00",
        "\ud800",
        [],
        {},
        [None],
        "é",
    ),
    *({"a": 1}, [[[]]], "x" * 2000, b"\xff", base64.b64encode(b"x").decode()),
)


def heads() -> Iterator[bytes]:
    """Requests that are no HTTP, or none that this server speaks."""
    yield from HEADS
    for field in FIELDS:
        yield request("GET", PATH, field, CLOSE)
        yield request("PUT", PATH, field, "Content-Length: 1", CLOSE, body=b"v")
    for chunk in CHUNKS:
        yield request("PUT", PATH, "Transfer-Encoding: chunked", CLOSE, body=chunk)
        yield request("POST", "/v1/mget", "Transfer-Encoding: chunked", CLOSE, body=chunk)


def paths() -> Iterator[bytes]:
    """Requests for what is not there, with parameters that are not, and with wrong ones."""
    for method, path in ROUTES:
        yield request(method, path, CLOSE)
        for query in QUERIES:
            yield request(method, f"{path}?{query}", "Content-Length: 0", CLOSE)
    for method, key in product(("GET", "PUT", "DELETE"), KEYS):
        yield request(method, key, "Content-Length: 0", CLOSE)


def puts() -> Iterator[bytes]:
    """PUTs with fields that contradict them."""
    for field in PUT_FIELDS:
        yield request("PUT", PATH, field, "Content-Length: 1", CLOSE, body=b"v")


def bodies() -> Iterator[bytes]:
    """Batches that are not of their encoding, or not of their shape."""
    for path, body in product(BATCHES, NOT_JSON):
        for content_type in ("application/json", "application/msgpack", "text/plain", "x", ""):
            yield batch(path, body, content_type)
    for path, value in product(BATCHES, ODD):
        for shape in shapes(value):
            yield from encoded(path, shape)


def shapes(value: Any) -> Iterator[Any]:
    """A value in each place of a batch."""
    yield value
    yield {"namespace": value, "keys": ["a"], "entries": []}
    yield {"namespace": "test", "keys": value}
    yield {"namespace": "test", "keys": ["a", value]}
    yield {"namespace": "test", "entries": value}
    yield {"namespace": "test", "entries": [value]}
    for field in ("key", "value", "encoding", "content_type", "ttl", "more"):
        entry = {"key": "a", "value": "v", field: value}
        yield {"namespace": "test", "entries": [entry]}
    for field in ("prefix", "all", "tags", "more"):
        yield {"namespace": "test", field: value}


def encoded(path: str, shape: Any) -> Iterator[bytes]:
    try:
        text = json.dumps(shape).encode()  # which writes half of a surrogate pair, too
    except TypeError:
        pass
    else:
        yield batch(path, text, "application/json")
    try:
        packed = msgspec.msgpack.encode(shape)
    except (UnicodeEncodeError, OverflowError):
        return
    yield batch(path, packed, "application/msgpack")


def batch(path: str, body: bytes, content_type: str) -> bytes:
    fields = f"Content-Length: {len(body)}", f"Content-Type: {content_type}", CLOSE
    return request("POST", path, *fields, body=body)
