"""Errors are sentences for the sender, and no words of a library, whatever was sent."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator

import pytest

from sidecar.app.sidecar import Sidecar
from sidecar.http.wording import NOT_HTTP
from tests.http import provoking
from tests.http.serving import exchange

AT_ONCE = 50
LIBRARIES = re.compile(
    r"(?<![-\w])(None|null|Expected|Object|object|array|str|int|float|bool|enum|malformed|token|LF|"
    r"truncated|llhttp|aiohttp|msgspec|Traceback|Error|Exception|codec|parse|parser|Invalid|"
    r"overflow)\b|<class|\.\.$|  "
)
"""Words of parsers, which no sentence of ours has."""
OURS = re.compile(
    r"CR LF|=\.\.\.|an object with fields|or null|, not null|'[^']*'|\"[^\"]*\"|`[^`]*`"
)
"""What of these is meant, and what is quoted."""


def said(answer: bytes) -> str | None:
    """The detail of an error; None for an answer that is none, and for half a request."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head[9:12]
    assert not status.startswith(b"500"), answer
    if status[:1] not in {b"4", b"5"}:
        return None
    described = json.loads(body)
    assert described["status"] == int(status)
    return str(described["detail"])


@pytest.mark.parametrize(
    "provoke",
    [provoking.heads, provoking.paths, provoking.puts, provoking.bodies],
    ids=lambda provoke: provoke.__name__,
)
async def test_no_error_is_in_the_words_of_a_library(
    live: Sidecar, provoke: Callable[[], Iterator[bytes]]
) -> None:
    """Each is a sentence or more, and none is an internal error."""
    requests, found = [*provoke()], 0
    for start in range(0, len(requests), AT_ONCE):
        some = requests[start : start + AT_ONCE]
        port = live.ports["http"]
        answers = await asyncio.gather(*(exchange(port, each, hang_up=True) for each in some))
        for sent, answer in zip(some, answers, strict=True):
            detail = said(answer) if not sent.startswith(b"HEAD") else None
            if detail is not None:
                found += 1
                assert detail.endswith("."), (sent[:200], detail)
                assert not LIBRARIES.search(OURS.sub("quoted", detail)), (sent[:200], detail)
                assert provoke is provoking.heads or detail != NOT_HTTP, sent[:200]
    assert found > len(requests) / 3


@pytest.mark.parametrize(
    ("head", "told"),
    [
        *(
            (f"GET / HTTP/1.1\r\nHost: a\r\n{name}: a\r\n{name}: b\r\n\r\n", "twice")
            for name in ("Content-Type", "User-Agent", "Content-Range", "Max-Forwards", "ETag")
        ),
        ("GET / HTTP/1.1\nHost: localhost\n\n", "CR LF"),
        ("GET / HTTP/1.1 \r\nHost: localhost\r\n\r\n", "CR LF"),
        ("GET / HTTP/1.1\rHost: localhost\r\r", "CR LF"),
        ("GET / HTTP/1.1\r\n Host: localhost\r\n\r\n", "begins with a space"),
        ("GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", "begin it with '/'"),
        ("GET http://a:99999/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "begin it with '/'"),
        ("GET / HTTP/1.9\r\nHost: localhost\r\n\r\n", "version"),
    ],
)
async def test_a_malformed_head_is_told_what_is_wrong_with_it(
    live: Sidecar, head: str, told: str
) -> None:
    assert told in (said(await exchange(live.ports["http"], head.encode())) or "")
