"""Errors of the server: as an answer, and as an event in a watch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.kube.trouble import MOST_RETRY_AFTER_SECONDS, Forbidden, Refused, Status, refusal
from tests.kube.apiserver import ApiServer
from tests.kube.conftest import Watch, Watching, document, until
from tests.kube.threaded import NAME, NAMESPACE


def an_error(code: int, **more: Any) -> bytes:
    """An ERROR event, as the only line of a watch."""
    status = {"kind": "Status", "status": "Failure", "message": "why", "code": code, **more}
    return json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"


async def fail(server: ApiServer, watching: Watching, line: bytes) -> Refused:
    """The trouble that a line in the watch is."""
    server.faults.watch_body = line
    server.watches.end()
    await until(lambda: watching.troubles)
    [trouble, *_] = watching.troubles
    assert isinstance(trouble, Refused)
    return trouble


@pytest.mark.parametrize("code", [401, 403, 429, 500, 503, 504])
async def test_an_event_is_the_trouble_that_an_answer_is(
    server: ApiServer, watching: Watching, code: int
) -> None:
    """So a new token is read, and pods that see the same failure are spread."""
    trouble = await fail(server, watching, an_error(code))
    answered = refusal(Status(code, "why"))
    assert (type(trouble), trouble.shared) == (type(answered), answered.shared)
    assert not trouble.resumable, "the same version would give the same event"
    assert isinstance(trouble, Forbidden) or str(trouble) == str(answered)


@pytest.mark.parametrize(
    ("asked", "waited"), [(7, 7.0), (10**9, MOST_RETRY_AFTER_SECONDS), (-5, 0)]
)
async def test_what_an_event_asks_for_is_waited(
    server: ApiServer, watching: Watching, asked: int, waited: float
) -> None:
    """An event has no header Retry-After."""
    line = an_error(429, details={"retryAfterSeconds": asked, "causes": None})
    trouble = await fail(server, watching, line)
    assert trouble.retry_after_seconds == waited
    await until(lambda: any(wait >= waited for wait in watching.waits))


@pytest.mark.parametrize(
    "body", [b'{"message": "caf\xe9"}', b'{"message": 5}', b"\xff", b"<html>", b""]
)
async def test_an_error_that_is_not_well_formed_is_a_trouble(
    server: ApiServer, watch: Watch, body: bytes
) -> None:
    """A load balancer may answer anything; the watch goes on."""
    server.faults.error_body, server.faults.statuses = body, {"list": 500}
    watching = watch()
    assert await watching.until_troubled() == (
        "The API server answered with 500: Internal Server Error"
    )
    server.faults.statuses = {}
    server.configmaps.put(NAMESPACE, NAME, document(1))
    while (found := await watching.upcoming()) is None:
        pass
    assert found.texts() == document(1)["data"]
