"""The private parts of aiohttp that the connections rest on, each by name.

A version of aiohttp that lacks one, or uses it differently, has to fail here and not under load.
"""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import HttpVersion11
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler

from sidecar.http import connection, pipeline, reading
from sidecar.http.connection import Connection
from sidecar.http.pipeline import Pipeline
from sidecar.http.reading import Reading
from tests.http.serving import request

PARTS = {
    "_buffer_paused",  # reading is paused since the queue is full
    "_close",  # no request is accepted any more
    "_keepalive_timeout",
    "_loop",
    "_max_msg_queue_size",
    "_message_tail",  # the bytes after an upgrade
    "_messages",  # the queue of parsed requests
    "_msg_queue_resume_size",
    "_next_keepalive_close_time",
    "_parser",
    "_paused",  # writing is paused
    "_reading_paused",  # as the body that arrives is not read
    "_request_count",
    "_request_in_progress",  # a handler is at work, or its answer is being sent
    "_task_handler",
    "_upgraded",
    "_waiter",  # what the idle task waits for
}
METHODS = {
    "_drain_helper",
    "_pause_reading_for_buffer",
    "_pause_transport_reading",
    "_process_keepalive",
    "_resume_reading_if_drained",
    "_resume_transport_reading",
}


def test_all_parts_that_are_used_are_listed() -> None:
    """Every private name of `self` and `super()` that is not the connection's own."""
    defined = {
        node.name: node
        for module in (connection, pipeline, reading)
        for node in ast.parse(Path(str(module.__file__)).read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    used = {
        node.attr
        for kind in (Connection, Pipeline, Reading)
        for node in ast.walk(defined[kind.__name__])
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr[1] != "_"
    }
    own = set(vars(Connection)) | set(vars(Pipeline)) | set(vars(Reading))
    assert used - (own - METHODS) == PARTS | METHODS


def test_a_request_handler_has_them() -> None:
    slots = {name for base in RequestHandler.__mro__ for name in getattr(base, "__slots__", ())}
    assert slots >= PARTS
    assert all(callable(getattr(RequestHandler, name)) for name in METHODS)


def test_a_body_and_a_message_have_theirs() -> None:
    """Taking a body in one piece, and making a message of known header fields, rest on them."""
    assert {"_buffer", "_size", "total_bytes"} <= set(StreamReader.__slots__)
    parts = (
        *("method", "path", "version", "headers", "raw_headers"),
        *("should_close", "compression", "upgrade", "chunked", "url"),
    )
    message = cast(Any, RawRequestMessage)(*parts)
    assert all(getattr(message, part) == part for part in parts)


@pytest.mark.parametrize("count", [1, 31, 32, 100])
async def test_the_parser_lets_only_so_many_requests_wait(count: int) -> None:
    """It stops at the limit of the queue, and goes on with an empty piece once some are consumed;
    a request without a body has EMPTY_PAYLOAD.
    """
    handler = RequestHandler(_Manager(), loop=asyncio.get_running_loop())  # type: ignore[arg-type]
    parser, most = handler._parser, handler._max_msg_queue_size
    assert parser is not None
    data, seen = request("GET", "/") * count, 0
    while True:
        messages, upgraded, tail = parser.feed_data(data)
        assert len(messages) == min(most, count - seen)
        assert (upgraded, tail) == (False, b"")
        for message, payload in messages:
            assert type(message) is RawRequestMessage
            assert message.version is HttpVersion11
            assert payload is EMPTY_PAYLOAD
            parser.message_consumed()
        seen += len(messages)
        data = b""
        if len(messages) < most:
            break
    assert seen == count


class _Manager:
    request_handler = request_factory = None
