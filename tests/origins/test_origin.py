"""What an origin is asked, and what is made of its answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.origins.fetch import MAX_REDIRECTS
from sidecar.origins.results import (
    Negative,
    NotModified,
    Terms,
    Unshareable,
    Validators,
)
from tests.origins.loading import TERMS, failure, fetched, origin_with
from tests.origins.server import by_target, response, serving

MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT"


def revalidating(etag: str | None = '"1"', last_modified: str | None = None) -> Terms:
    return Terms(
        default_ttl_seconds=60.0,
        max_value_bytes=1 << 20,
        validators=Validators(etag, last_modified),
    )


async def test_a_value_comes_with_its_type_and_its_freshness() -> None:
    answer = response(
        200, b"value", "Content-Type: text/plain", "Cache-Control: max-age=600", 'ETag: "1"'
    )
    async with origin_with(answer) as (origin, server):
        result = fetched(await origin.load(b"a b/c", TERMS))
        assert (result.value, result.content_type) == (b"value", "text/plain")
        assert 590 < result.freshness.lifetime_seconds <= 600
        assert result.freshness.etag == '"1"'
        assert [request.target for request in server.requests] == ["/items/a%20b/c"]


async def test_a_request_is_for_a_whole_value_without_a_coding() -> None:
    """With the configured fields, and nothing that nobody asked for."""
    fields = {"Authorization": "Bearer secret", "X-Tenant": "shop"}
    async with origin_with(response(200, b"value"), headers=fields) as (origin, server):
        await origin.load(b"a", TERMS)
        [request] = server.requests
        agent = request.headers.pop("user-agent")
        assert agent.startswith("cache-sidecar/")
        assert request.headers == {
            "host": f"127.0.0.1:{server.port}",
            "accept": "*/*",
            "accept-encoding": "identity",
            "authorization": "Bearer secret",
            "x-tenant": "shop",
        }


async def test_a_chunked_body_is_a_value() -> None:
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nval\r\n2\r\nue\r\n0\r\n\r\n"
    async with origin_with(data) as (origin, _):
        assert fetched(await origin.load(b"a", TERMS)).value == b"value"


async def test_no_cookies_are_kept_and_no_environment_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither proxies nor .netrc."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with origin_with(response(200, b"value", "Set-Cookie: a=b")) as (origin, server):
        for _ in range(2):
            fetched(await origin.load(b"a", TERMS))
        assert not any({"cookie", "authorization"} & request.headers.keys()
                       for request in server.requests)  # fmt: skip
        assert server.connections == 1


async def test_a_revalidation_names_the_stored_version() -> None:
    answer = response(304, b"", "Cache-Control: max-age=5")
    async with origin_with(answer) as (origin, server):
        result = await origin.load(b"a", revalidating('"1"', MODIFIED))
        assert isinstance(result, NotModified)
        assert result.freshness.lifetime_seconds == pytest.approx(5, abs=1)
        assert (result.freshness.etag, result.freshness.last_modified) == ('"1"', MODIFIED)
        [request] = server.requests
        assert request.headers["if-none-match"] == '"1"'
        assert request.headers["if-modified-since"] == MODIFIED


async def test_a_revalidation_may_bring_a_new_value() -> None:
    async with origin_with(response(200, b"new", 'ETag: "2"')) as (origin, _):
        result = fetched(await origin.load(b"a", revalidating()))
        assert (result.value, result.freshness.etag) == (b"new", '"2"')


async def test_a_304_is_for_the_version_that_was_named() -> None:
    """The comparison is weak, as that of If-None-Match."""
    async with origin_with(response(304, b"", 'ETag: W/"1"')) as (origin, _):
        assert isinstance(await origin.load(b"a", revalidating('"1"')), NotModified)
        assert (await failure(origin, b"a", revalidating('"2"'))).kind == "unusable"


async def test_a_304_may_forbid_to_store_the_value_any_longer() -> None:
    async with origin_with(response(304, b"", "Cache-Control: no-store")) as (origin, _):
        result = await origin.load(b"a", revalidating())
        assert isinstance(result, NotModified)
        assert not result.freshness.store


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ((), 5),
        (("Cache-Control: max-age=600",), 5),
        (("Cache-Control: max-age=0",), 0),
        (("Cache-Control: no-cache",), 0),
        (("Cache-Control: no-store",), 0),
        (("Vary: Cookie",), 0),
    ],
)
@pytest.mark.parametrize("status", [404, 410])
async def test_a_value_that_is_not_there_is_remembered_for_a_short_time(
    status: int, lines: tuple[str, ...], seconds: float
) -> None:
    """The time of the configuration, or less."""
    answer = response(status, b"no such key", *lines)
    async with origin_with(answer, negative_ttl_seconds=5) as (origin, _):
        assert await origin.load(b"a", TERMS) == Negative(status, seconds)


@pytest.mark.parametrize(
    "answer",
    [
        response(200, b"value", "Cache-Control: no-store"),
        response(200, b"value", "Cache-Control: private"),
        response(200, b"value", "Vary: Accept-Language"),
        response(400, b"value"),
        response(403, b"value", "Cache-Control: max-age=60"),
    ],
)
async def test_what_may_not_be_stored_is_for_one_caller(answer: bytes) -> None:
    async with origin_with(answer) as (origin, _):
        result = await origin.load(b"a", TERMS)
        assert isinstance(result, Unshareable)
        assert result.value == b"value"
        assert result.status in {200, 400, 403}


async def test_redirects_are_followed_at_the_same_origin() -> None:
    """What may be stored is what all responses allow, and without validators of another URL."""
    answers = {
        "/items/a": response(302, b"", "Location: b", "Cache-Control: max-age=10"),
        "/items/b": response(301, b"", "Location: /items/c?d"),
        "/items/c?d": response(200, b"value", 'ETag: "1"', "Cache-Control: max-age=20"),
    }
    async with origin_with(by_target(answers)) as (origin, server):
        result = fetched(await origin.load(b"a", revalidating()))
        assert result.value == b"value"
        assert result.freshness.lifetime_seconds <= 10
        assert result.freshness.etag is None
        assert ["if-none-match" in request.headers for request in server.requests] == [
            True,
            False,
            False,
        ]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["{other}/items/a", "/admin", "//127.0.0.1/items/a", ""])
async def test_a_redirect_away_is_an_error(status: int, location: str) -> None:
    """Nothing is sent there."""
    async with serving(response(200, b"secret")) as other:
        target = location.format(other=other.url)
        answer = by_target({
            "/items/a": response(status, b"", f"Location: {target}" if target else "X: y"),
            "/admin": response(200, b"secret"),
        })  # fmt: skip
        async with origin_with(answer, timeout_seconds=5) as (origin, server):
            error = await failure(origin)
            assert (error.kind, error.status, error.is_ill) == ("redirect", 502, False)
            assert {request.target for request in server.requests} == {"/items/a"}
            assert not other.requests


async def test_redirects_in_a_circle_are_an_error() -> None:
    async with origin_with(response(302, b"", "Location: a")) as (origin, server):
        error = await failure(origin)
        assert (error.kind, error.is_ill) == ("redirect", False)
        assert len(server.requests) == 1 + MAX_REDIRECTS
