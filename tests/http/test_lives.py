"""The life of an entry as HTTP's own header fields state it, and what they forbid."""

from __future__ import annotations

import time
from email.utils import formatdate
from http.client import HTTPConnection

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from sidecar.http.lives import ttl_of
from tests.running import RunningSidecar, life_left, problem

PATH = "/v1/cache/test/key"


def stated(value: str | int) -> str:
    """The value of a field; a number is a date, in seconds from now."""
    return value if isinstance(value, str) else formatdate(time.time() + value, usegmt=True)


def status_of_put(port: int, path: str, lines: tuple[str, ...]) -> int:
    """The status of a PUT with these header fields, which may be repeated."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("PUT", path)
    for line in (*lines, "Content-Length: 1"):
        name, _, value = line.partition(": ")
        connection.putheader(name, value)
    connection.endheaders(b"v")
    try:
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("field", "value", "left"),
    [
        ("Cache-Control", "private, max-age=50", {50, 49, 48}),
        ("Cache-Control", 'Private="a, max-age=5" ,MAX-AGE=50 ', {50, 49, 48}),
        ("Cache-Control", "no-cache", {3600, 3599, 3598}),
        ("Cache-Control", "no-cache, max-age=50", {50, 49, 48}),
        ("Cache-Control", "x-no-store, must-revalidate", {3600, 3599, 3598}),
        ("Cache-Control", ', no-cache="a b",,max-age=50,', {50, 49, 48}),
        ("Expires", 10_000, set(range(9_900, 10_001))),
    ],
)
def test_fields_of_http_state_the_life(
    sidecar: RunningSidecar, field: str, value: str | int, left: set[int]
) -> None:
    """As RFC 9111 has them; `no-cache`, which browsers add, says nothing about storing."""
    assert sidecar.ask("PUT", PATH, b"v", {field: stated(value)}).status in {201, 204}
    assert life_left(sidecar.ask("GET", PATH).headers) in left


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Cache-Control", "no-store"),
        ("Cache-Control", "private, No-Store, max-age=60"),
        ("Cache-Control", "max-age=0"),
        ("Expires", "0"),
        ("Expires", "-1"),
        ("Expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("Expires", -60),
        ("Expires", "yesterday"),
    ],
)
def test_what_forbids_to_store_is_refused(
    sidecar: RunningSidecar, field: str, value: str | int
) -> None:
    """With the way to store it all the same; the old value stays."""
    fields = {field: stated(value)}
    sidecar.ask("PUT", PATH, b"old")
    assert "?ttl=" in problem(sidecar.ask("PUT", PATH, b"v", fields), 400)
    assert sidecar.ask("GET", PATH).body == b"old"
    assert sidecar.ask("PUT", f"{PATH}?ttl=60", b"v", fields).status == 204
    assert life_left(sidecar.ask("GET", PATH).headers) in {60, 59, 58}


@pytest.mark.parametrize(
    "lines",
    [
        ("Cache-Control: no-store;",),
        ("Cache-Control: max-age=60; no-store",),
        ("Cache-Control: max-age:0",),
        ("Cache-Control: max-age=60 no-store",),
        ('Cache-Control: x="no-store',),
        ('Cache-Control: x="\\", no-store',),
        ("Cache-Control: no store",),
        ("Cache-Control: max-age=0, max-age=60",),
        ("Cache-Control: max-age=60, max-age=0",),
        ("Cache-Control: max-age=60", "Cache-Control: no-cache, Max-Age=0"),
        ("Expires: Thu, 01 Jan 2099 00:00:00 GMT", "Expires: 0"),
        ("Expires: 0", "Expires: Thu, 01 Jan 2099 00:00:00 GMT"),
    ],
)
def test_what_may_forbid_to_store_is_refused(
    sidecar: RunningSidecar, lines: tuple[str, ...]
) -> None:
    """A field that cannot be read, or that contradicts itself, may have meant to forbid it."""
    before = sidecar.ask("PUT", PATH, b"old").headers["ETag"]
    assert status_of_put(sidecar.port, PATH, lines) == 400
    assert sidecar.ask("GET", PATH).headers["ETag"] == before
    assert status_of_put(sidecar.port, f"{PATH}?ttl=60", lines) == 204


def test_a_date_without_a_zone_is_in_gmt(monkeypatch: pytest.MonkeyPatch) -> None:
    """As asctime writes it (RFC 9110, section 5.6.7), whatever the zone of the container is."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        headers = CIMultiDictProxy(CIMultiDict({"Expires": "Sun Nov  6 08:49:37 1994"}))
        assert ttl_of(headers, 1.0, 784111777 - 60) == 60
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_media_type_may_have_space_before_its_parameters(sidecar: RunningSidecar) -> None:
    """A tab as well (RFC 9110, section 5.6.3)."""
    for kind in ("text/plain\t;\tcharset=utf-8", "text/plain ; charset=utf-8"):
        sidecar.ask("PUT", PATH, b"v", {"Content-Type": kind})
        assert sidecar.ask("GET", PATH).headers["Content-Type"] == kind
