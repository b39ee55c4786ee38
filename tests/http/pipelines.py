"""Random pipelines of requests, the answers that they must get, and clients that misbehave.

Each connection writes keys of its own, so that the answers to its requests, which come in order,
are known. Those to keys that all connections share are only known to be of that key. More than 300
lines, since every kind of request is here with the check of its answer.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from tests.http.serving import PATIENCE_SECONDS, request

SIZES = (0, 1, 50, 3_000, 20_000, 100_000)
"""Of values: above and below what is compressed, sent in one piece, and unpacked aside."""
CHUNKED = "Transfer-Encoding: chunked"
SHARED = [f"shared-{number}" for number in range(12)]


@dataclass
class Answer:
    status: int
    head: bytes
    body: bytes


@dataclass
class Exchange:
    """A request, and the check of its answer; `ends` if the server closes the connection then.

    If it `garbles`, it is not HTTP: the parser drops the requests before it that came in the same
    read, and its 400 is the answer to the first of them. None of them has been carried out.
    """

    what: str
    sent: bytes
    check: Callable[[Answer], object]
    ends: bool = False
    garbles: bool = False


class Model:
    """What one connection knows of its own keys.

    If `lossy`, L3's process is killed now and then: an entry may be missing, and whether a write
    replaced one is unknown; but no read may return another version than the last.
    """

    def __init__(self, rng: random.Random, name: str, *, lossy: bool) -> None:
        self._rng = rng
        self._keys = [f"{name}-{number}" for number in range(6)]
        self._values: dict[str, bytes] = {}
        self._lossy = lossy
        self._kinds = [
            (30, self._get),
            (5, self._head),
            (5, self._get_conditional),
            (15, self._put),
            (4, self._put_chunked),
            (3, self._put_coded),
            (3, self._put_expecting),
            (6, self._put_conditional),
            (8, self._delete),
            (3, self._take),
            (3, self._touch),
            (3, self._count),
            (3, self._mget),
            (5, self._get_shared),
            (4, self._put_shared),
            (6, self._other),
        ]

    def draw(self) -> Exchange:
        weights = [weight for weight, _ in self._kinds]
        [(_, make)] = self._rng.choices(self._kinds, weights)
        return make()

    def last(self) -> Exchange:
        """A request after which the server closes the connection."""
        rng = self._rng
        key = rng.choice(self._keys)
        kinds = [
            Exchange(
                "closing get",
                request("GET", path(key), "Connection: close"),
                lambda answer: self._is_current(key, answer),
                ends=True,
            ),
            Exchange(
                "HTTP/1.0 get",
                request("GET", path(key), version="1.0"),
                lambda answer: self._is_current(key, answer),
                ends=True,
            ),
            *(
                Exchange(what, sent, has(400), ends=True, garbles=True)
                for what, sent in (
                    ("no HTTP", b"\x16\x03\x01 nonsense\r\n\r\n"),
                    ("no host", b"GET / HTTP/1.1\r\n\r\n"),
                    (
                        "bad chunk",
                        request("PUT", path(key), CHUNKED, body=b"3\r\nabc\r\nzz\r\n"),
                    ),
                )
            ),
            Exchange(
                "too large",
                request("PUT", path(key), "Content-Length: 99999999"),
                has(413),
                ends=True,
            ),
        ]
        return rng.choice(kinds)

    def current(self) -> list[Exchange]:
        """Reads of all keys, the last of which closes the connection."""
        first, *others = self._keys
        return [*(self._get(key) for key in others), self._get(first, "Connection: close")]

    # ---- reads

    def _get(self, key: str | None = None, *headers: str) -> Exchange:
        key = key or self._rng.choice(self._keys)
        spelled = path(key)
        if self._rng.random() < 0.05:
            spelled = f"http://x{spelled}"
        if not headers and self._rng.random() < 0.03:
            headers = ("Connection: Upgrade", "Upgrade: websocket")
        return Exchange(
            f"get {key}",
            request("GET", spelled, *headers),
            lambda answer: self._is_current(key, answer),
        )

    def _head(self) -> Exchange:
        key = self._rng.choice(self._keys)

        def check(answer: Answer) -> None:
            if answer.status == 200:
                assert b"\r\nContent-Length: %d\r\n" % len(self._values[key]) in answer.head
            else:
                self._is_missing(key, answer)

        return Exchange(f"head {key}", request("HEAD", path(key)), check)

    def _get_conditional(self) -> Exchange:
        key = self._rng.choice(self._keys)

        def check(answer: Answer) -> None:
            if answer.status == 304:
                assert key in self._values
            else:
                self._is_missing(key, answer)

        return Exchange(
            f"get {key} if changed", request("GET", path(key), "If-None-Match: *"), check
        )

    def _mget(self) -> Exchange:
        keys = self._rng.sample(self._keys, 4)
        body = json.dumps({"namespace": "fuzz", "keys": keys}).encode()

        def check(answer: Answer) -> None:
            assert answer.status == 200
            found = {
                entry["key"]: base64.b64decode(entry["value"])
                if entry.get("encoding") == "base64"
                else entry["value"].encode()
                for entry in json.loads(answer.body)["entries"]
            }
            known = {key: self._values[key] for key in keys if key in self._values}
            assert found == known or (self._lossy and found.items() <= known.items())

        return Exchange(
            f"mget {keys}",
            request("POST", "/v1/mget", f"Content-Length: {len(body)}", body=body),
            check,
        )

    def _is_current(self, key: str, answer: Answer) -> None:
        if answer.status == 200:
            assert answer.body == self._values[key], (answer.body[:100], self._values[key][:100])
        else:
            self._is_missing(key, answer)

    def _is_missing(self, key: str, answer: Answer) -> None:
        assert answer.status == 404
        assert key not in self._values or self._lossy

    # ---- writes

    def _put(self) -> Exchange:
        key, value = self._rng.choice(self._keys), self._value()
        sent = request("PUT", path(key), f"Content-Length: {len(value)}", body=value)
        return Exchange(f"put {key}", sent, lambda answer: self._is_put(key, value, answer))

    def _put_chunked(self) -> Exchange:
        key, value = self._rng.choice(self._keys), self._value()
        body, at = b"", 0
        most = self._rng.choice((3, 20_000)) if len(value) <= 20_000 else 20_000
        while at < len(value):
            size = self._rng.randint(1, most)
            piece = value[at : at + size]
            body += b"%x\r\n%b\r\n" % (len(piece), piece)
            at += size
        sent = request("PUT", path(key), CHUNKED, body=body + b"0\r\n\r\n")
        return Exchange(f"put {key} chunked", sent, lambda answer: self._is_put(key, value, answer))

    def _put_coded(self) -> Exchange:
        key, value = self._rng.choice(self._keys), self._value()
        body = gzip.compress(value, 1, mtime=0)
        headers = (f"Content-Length: {len(body)}", "Content-Encoding: gzip")
        return Exchange(
            f"put {key} coded",
            request("PUT", path(key), *headers, body=body),
            lambda answer: self._is_put(key, value, answer),
        )

    def _put_expecting(self) -> Exchange:
        key, value = self._rng.choice(self._keys), self._value()
        headers = (f"Content-Length: {len(value)}", "Expect: 100-continue")
        return Exchange(
            f"put {key} expecting",
            request("PUT", path(key), *headers, body=value),
            lambda answer: self._is_put(key, value, answer),
        )

    def _put_conditional(self) -> Exchange:
        key, value = self._rng.choice(self._keys), self._value()
        adds = self._rng.random() < 0.5
        headers = (f"Content-Length: {len(value)}", "If-None-Match: *" if adds else "If-Match: *")

        def check(answer: Answer) -> None:
            if not self._lossy:
                done = answer.status in {201, 204}
                assert done is ((key not in self._values) is adds)
            if answer.status == 503:
                assert self._lossy
            elif answer.status != 412:
                self._is_put(key, value, answer)

        sent = request("PUT", path(key), *headers, body=value)
        return Exchange(f"{headers[1]} {key}", sent, check)

    def _delete(self) -> Exchange:
        key = self._rng.choice(self._keys)

        def check(answer: Answer) -> None:
            known = self._values.pop(key, None) is not None
            assert answer.status in {204, 404}
            assert self._lossy or known is (answer.status == 204)

        return Exchange(f"delete {key}", request("DELETE", path(key)), check)

    def _take(self) -> Exchange:
        key = self._rng.choice(self._keys)

        def check(answer: Answer) -> None:
            if not self._is_refused(answer):
                self._is_current(key, answer)
                self._values.pop(key, None)

        sent = request("DELETE", path(key), "Prefer: return=representation")
        return Exchange(f"take {key}", sent, check)

    def _touch(self) -> Exchange:
        key = self._rng.choice(self._keys)

        def check(answer: Answer) -> None:
            if not self._is_refused(answer):
                assert answer.status in {204, 404}
                assert self._lossy or (key in self._values) is (answer.status == 204)

        return Exchange(f"touch {key}", request("PATCH", f"{path(key)}?ttl=1000"), check)

    def _count(self) -> Exchange:
        key = self._rng.choice(self._keys)

        def check(answer: Answer) -> None:
            if self._is_refused(answer):
                return
            known = self._values.get(key, b"0")
            is_number = known.isdigit() and b"%d" % int(known) == known
            if answer.status == 409:
                assert not is_number
                return
            assert answer.status in {200, 201}
            expected = {b"%d" % (int(known) + 3)} if is_number else set()
            assert answer.body in expected | ({b"3"} if self._lossy else set())
            self._values[key] = answer.body

        return Exchange(f"count {key}", request("POST", f"{path(key)}?by=3"), check)

    def _is_refused(self, answer: Answer) -> bool:
        """Since L3 does not say what there is."""
        assert answer.status != 503 or self._lossy
        return answer.status == 503

    def _is_put(self, key: str, value: bytes, answer: Answer) -> None:
        assert answer.status in {201, 204}
        assert self._lossy or (key in self._values) is (answer.status == 204)
        self._values[key] = value

    def _value(self) -> bytes:
        size = self._rng.choice(SIZES)
        if self._rng.random() < 0.5:
            return self._rng.randbytes(size)
        return (b"compressible %d " % self._rng.randrange(1000) * (size // 10))[:size]

    # ---- keys that others use, and the rest of the API

    def _get_shared(self) -> Exchange:
        key = self._rng.choice(SHARED)

        def check(answer: Answer) -> None:
            assert answer.status in {200, 404}
            assert answer.status == 404 or answer.body.startswith(key.encode() + b" ")

        return Exchange(f"get {key}", request("GET", path(key)), check)

    def _put_shared(self) -> Exchange:
        key = self._rng.choice(SHARED)
        value = f"{key} ".encode() * self._rng.choice((1, 100, 10_000))
        method, *headers = self._rng.choice(
            (("PUT", f"Content-Length: {len(value)}"), ("DELETE",)),
        )
        return Exchange(
            f"{method} {key}",
            request(method, path(key), *headers, body=value if headers else b""),
            has(201, 204, 404),
        )

    def _other(self) -> Exchange:
        key = path(self._rng.choice(self._keys))
        kinds = [
            ("stats", request("GET", "/v1/stats"), 200),
            ("unknown parameter", request("GET", f"{key}?x=1"), 400),
            ("empty key", request("GET", "/v1/cache/fuzz/"), 400),
            ("no such path", request("GET", "/nothing"), 404),
            ("no such method", request("OPTIONS", key), 405),
            ("bad life", request("PUT", f"{key}?ttl=x", "Content-Length: 3", body=b"abc"), 400),
            ("bad name", request("PUT", "/v1/cache/bad!/k", "Content-Length: 3", body=b"abc"), 400),
            ("bad batch", request("POST", "/v1/mget", "Content-Length: 1", body=b"{"), 400),
            ("body of a get", request("GET", "/nothing", "Content-Length: 3", body=b"GET"), 404),
        ]
        what, sent, status = self._rng.choice(kinds)
        return Exchange(what, sent, has(status))


def path(key: str) -> str:
    return f"/v1/cache/fuzz/{key}"


def has(*statuses: int) -> Callable[[Answer], object]:
    def check(answer: Answer) -> None:
        assert answer.status in statuses

    return check


# ---- clients

ENDINGS = ("read", "half-close", "abort", "leave", "cut", "cut and half-close")
COMPLETE = ("read", "half-close")
"""Endings after which every request has been sent, and its answer is read."""


async def converse(port: int, seed: str, *, lossy: bool) -> int:
    """One connection: what it sends, how it is split, and how it ends follow from `seed`.

    Returns the number of answers that were checked.
    """
    rng = random.Random(seed)
    model = Model(rng, seed, lossy=lossy)
    exchanges = [model.draw() for _ in range(rng.choice((1, 3, 10, 40, 100)))]
    if rng.random() < 0.3:
        exchanges.append(model.last())
    sent = b"".join(exchange.sent for exchange in exchanges)
    ending = rng.choices(ENDINGS, (2, 2, 1, 1, 1, 1))[0]
    if ending == "half-close" and exchanges[-1].what == "too large":
        ending = "cut and half-close"  # a body that breaks off ends the connection at once
    if ending not in COMPLETE:
        sent = sent[: rng.randint(1, len(sent))]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
    writing = asyncio.create_task(_write(rng, writer, sent, ending))
    reading = Reading(reader, exchanges, complete=ending in COMPLETE)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await reading.run(rng)
            if ending in COMPLETE:
                await _compare(port, model.current())
    except Exception as error:
        around = [exchange.what for exchange in exchanges[max(0, reading.checked - 3) :][:5]]
        raise AssertionError(
            f"{seed}, {ending}, after {reading.checked} of {len(exchanges)} answers, "
            f"of {around}; the latest was {reading.latest}"
        ) from error
    finally:
        writing.cancel()
        writer.close()
    return reading.checked


class Reading:
    """The answers of a connection as they arrive, each with its check."""

    def __init__(
        self, reader: asyncio.StreamReader, exchanges: list[Exchange], *, complete: bool
    ) -> None:
        self._reader = reader
        self._exchanges = exchanges
        self._complete = complete
        self.checked = 0
        self.latest: Answer | None = None

    async def run(self, rng: random.Random) -> None:
        """Read slowly now and then. Raises an error of a check, or of a missing answer."""
        last = self._exchanges[-1]
        for exchange in self._exchanges:
            if rng.random() < 0.05:
                await asyncio.sleep(rng.random() / 20)
            try:
                answer = await _answer(self._reader, is_head=exchange.sent.startswith(b"HEAD"))
            except (asyncio.IncompleteReadError, ConnectionError):
                if self._complete:
                    raise
                return
            self.latest = answer
            if last.garbles and b"\r\nConnection: close\r\n" in answer.head:
                assert answer.status == 400 or not self._complete
                return
            exchange.check(answer)
            self.checked += 1
        if last.ends:
            with suppress(ConnectionError):
                assert await self._reader.read() == b""


async def _compare(port: int, exchanges: list[Exchange]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(exchange.sent for exchange in exchanges))
    for exchange in exchanges:
        exchange.check(await _answer(reader, is_head=False))
    writer.close()


async def _write(
    rng: random.Random, writer: asyncio.StreamWriter, sent: bytes, ending: str
) -> None:
    """Send in pieces of random length, at random moments."""
    largest = rng.choice((1 << 20, 5000, 100)) if len(sent) < 100_000 else 1 << 18
    at = 0
    with suppress(ConnectionError):
        while at < len(sent):
            size = rng.randint(1, largest)
            writer.write(sent[at : at + size])
            at += size
            await asyncio.sleep(0 if rng.random() < 0.8 else rng.random() / 100)
        await writer.drain()
        if "half-close" in ending:
            writer.write_eof()
        elif ending != "read":
            await asyncio.sleep(rng.choice((0, 0, 0.01, 0.05)))
            if ending == "abort":
                writer.transport.abort()
            else:
                writer.close()


async def _answer(reader: asyncio.StreamReader, *, is_head: bool) -> Answer:
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        if status != 100:
            break
    length = 0
    if not (is_head or status in {204, 304}):
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return Answer(status, head, await reader.readexactly(length))
