"""Valid examples, damaged in every way: cut, repeated, spliced, with bits flipped."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.errors import InvalidDocument
from sidecar.http.batch import RawEntries, RawKeys
from sidecar.http.bodies import decoded
from sidecar.http.problems import ProblemError
from sidecar.http.repeated import Repeated, is_all
from sidecar.l3 import wire
from sidecar.l3.record import LostRecordError, RecordFile, item_of, read_record
from sidecar.l3.witness import WITNESS, DamagedWitnessError, last_write, read_mark
from sidecar.model.answers import Record, Status
from sidecar.model.writes import Delete, Invalidate, Put
from sidecar.optimizer.decisions import SavedState
from sidecar.optimizer.tokens import ConditionError
from sidecar.process import state_file

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES == 100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def damaged(draw: st.DrawFn, valid: list[bytes]) -> bytes:
    """One of the valid examples after some changes, or nothing but bytes."""
    data = bytearray(draw(st.sampled_from(valid) | st.binary(max_size=200)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["flip", "cut", "insert", "repeat", "splice"])):
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[at : at + draw(st.integers(1, 40))]
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=9))
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 40))]
            case "splice":
                data[at:] = draw(st.sampled_from(valid))[at:]
    return bytes(data)


def msgpack(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


# ---- bodies of batches

BATCH = {
    "namespace": "test",
    "entries": [{"key": "a", "value": "1", "content_type": "text/plain", "ttl": 60}],
}
KEYS = {"namespace": "test", "keys": ["a", "b"]}
BODIES = [form(each) for form in (msgspec.json.encode, msgpack) for each in (BATCH, KEYS)]


@pytest.mark.parametrize("shape", [RawEntries, RawKeys], ids=lambda it: it.__name__)
@pytest.mark.parametrize("messagepack", [False, True], ids=["json", "msgpack"])
@fuzzed
@given(damaged(BODIES))
def test_bodies(shape: type[msgspec.Struct], messagepack: bool, body: bytes) -> None:
    """A problem that says what is wrong, or a body of that shape."""
    try:
        assert isinstance(decoded(body, shape, messagepack=messagepack), shape)
    except ProblemError as problem:
        said = problem.detail
    else:
        said = "nothing"
    assert "None" not in said


# ---- heads of requests

HEADS = [
    b"GET /v1/cache/test/key HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"PUT /v1/cache/test/k%C3%A9y?ttl=60 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nvalue",
    b"PUT /v1/cache/a/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nvalue\r\n0\r\n\r\n",
    b'DELETE /v1/cache/a/b HTTP/1.0\r\nHost: [::1]:7070\r\nIf-Match: "1", W/"2"\r\n\r\n',
]


@fuzzed
@given(st.lists(damaged(HEADS), min_size=1, max_size=4))
def test_heads_that_are_not_parsed_are_those_that_were(pieces: list[bytes]) -> None:
    """What is known of a head that came before is what the parser says of it."""
    loop = asyncio.new_event_loop()
    try:
        repeated = Repeated()
        for piece in pieces * 2:
            parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16)
            try:
                messages, _, _ = parser.feed_data(piece)
            except HttpProcessingError:
                messages = []
            found = repeated.request(piece)
            if found is not None:
                assert len(messages) == 1
                parsed, known = messages[0][0], found[0]
                assert (parsed.method, parsed.path) == (known.method, known.path)
                assert parsed.headers == known.headers
            if len(messages) == 1 and is_all(piece, messages[0][0]):
                repeated.add(piece, messages[0][0])
    finally:
        loop.close()


# ---- documents and conditions

TEXTS = [
    b"tiers: {l1: {max_entries: 7, max_bytes: 1MiB}}\n",
    b"level: balanced\nrules:\n  - {name: a, type: memory, when: memory.utilization > 0.8, "
    b"action: shrink_tier, with: {tier: l2, by: 20%}}\n",
    b"baselines:\n  cache.hit_ratio: {baseline: 0.5, target: 0.75, better: higher}\n",
]
CONDITIONS = [
    b"memory.utilization > 0.85 && cache.hit_ratio < target.cache.hit_ratio",
    b'p95(http.get_p99_seconds, "5m") > 2.0 * baseline.http.get_p99_seconds || !(1.0 > 2.0)',
]


@pytest.mark.parametrize("key", ["cache.yaml", "rules.yaml", "baselines.yaml", "warmers.yaml"])
@fuzzed
@given(damaged(TEXTS))
def test_documents(key: str, data: bytes) -> None:
    """A document, or all of its errors."""
    try:
        parse({key: data.decode(errors="surrogateescape")}, vocabulary=CATALOGUE.vocabulary)
    except InvalidDocument as error:
        assert_some(error)


def assert_some(error: InvalidDocument) -> None:
    """It says what is wrong."""
    assert error.errors


@fuzzed
@given(damaged(CONDITIONS))
def test_conditions(data: bytes) -> None:
    """A condition that can be evaluated, or a reason."""
    try:
        condition = CATALOGUE.conditions.compile(data.decode(errors="replace"))
    except ConditionError:
        return
    assert condition.evaluate([1.0] * len(condition.operands)) in {True, False}


# ---- what is between the processes, and on the volume

RECORDS = [wire.encode_record(Record(7, 1.0, 2.0, "text/plain", 5, b"value", 9))]
REQUEST = wire.Request(
    1.0, 2.0, True, [b"n/r"], [Put(b"n/k", 7, 1.0, 2.0, "t", 1, b"v"), Delete(b"n/d", 8)], []
)
STATUS = Status(1, 2, 3, 4, 5, 6, 7, 8, slowed=False, wiped=False)
FRAMES = [
    wire.framed(wire.encode_request(REQUEST)),
    wire.framed(wire.encode_reply(wire.Reply([0, 1], [0], [b"n/e"], status=STATUS))),
]
READERS: dict[str, Callable[[bytes], object]] = {
    "record": wire.decode_record,
    "request": wire.decode_request,
    "reply": wire.decode_reply,
}


@pytest.mark.parametrize("reader", READERS)
@fuzzed
@given(damaged([*RECORDS, *(frame[4:] for frame in FRAMES)]))
def test_decoding(reader: str, data: bytes) -> None:
    """A value of the type, or an error of decoding."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        READERS[reader](data)


@fuzzed
@given(damaged([b"".join(FRAMES)]), st.integers(1, 64))
def test_frames(stream: bytes, size: int) -> None:
    """The same payloads come out, however the stream is cut."""
    if len(stream) >= 4 and any(
        int.from_bytes(stream[at : at + 4], "little") > 1 << 20 for at in range(len(stream))
    ):
        return  # a length that only a hostile peer would send would be allocated
    whole = [bytes(payload) for payload in wire.Unframer().feed(stream)]
    unframer, pieces = wire.Unframer(), list[bytes]()
    for start in range(0, len(stream), size):
        pieces += map(bytes, unframer.feed(stream[start : start + size]))
    assert pieces == whole


def a_witness() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        record = RecordFile(Path(folder))
        record.write(item_of(Delete(b"ns/key", 7)) + item_of(Invalidate(b"ns/", 8)))
        record.close()
        return (Path(folder) / WITNESS).read_bytes()[:4200]


@fuzzed
@given(data=damaged([a_witness()]))
def test_the_witness(tmp_path: Path, data: bytes) -> None:
    """Its record, or that it is lost; its mark, or that it is damaged."""
    (tmp_path / WITNESS).write_bytes(data)
    try:
        record = read_record(tmp_path)
    except LostRecordError:
        record = []
    assert all(isinstance(write, Delete | Invalidate | Put) for write in record)
    with suppress(DamagedWitnessError):
        read_mark(tmp_path)
    assert last_write(tmp_path) >= 0


def a_state_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.state"
        state_file.save(file, msgpack(SavedState()))
        return file.read_bytes()


@fuzzed
@given(data=damaged([a_state_file()]))
def test_state_files(tmp_path: Path, data: bytes) -> None:
    """What was saved, or nothing."""
    file = tmp_path / "a.state"
    file.write_bytes(data)
    found = state_file.load(file, SavedState, 1 << 20)
    assert found is None or isinstance(found, SavedState)
