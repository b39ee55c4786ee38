"""One response of any length, read piece by piece: the export that a warmer loads.

Its length is bounded by who reads it. That the server stops sending is bounded here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from sidecar.origins.connector import AddressRefusal, connector
from sidecar.origins.errors import OriginError
from sidecar.origins.request_fields import fields_of_all
from sidecar.origins.trouble import DROPPED, error_for
from sidecar.origins.url import Url

CONNECT_SECONDS, SILENT_SECONDS = 10.0, 30.0
"""How long to wait for a connection and a head, and for each piece."""
BUFFER_BYTES = 64 << 10
"""The client stops reading from the socket while twice as many wait to be taken."""


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a response, and its length if the server has stated it."""

    pieces: AsyncIterator[bytes]
    total_bytes: int | None


@asynccontextmanager
async def download(
    url: Url, headers: Mapping[str, str], refusal_of_address: AddressRefusal
) -> AsyncIterator[Body]:
    """Request a URL. Raises OriginError, here and while the body is read, for anything but a whole
    response with status 200. A redirect is not followed: it may lead anywhere.
    """
    name = url.authority
    async with aiohttp.ClientSession(
        connector=connector(1, refusal_of_address),
        headers=fields_of_all(headers),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=BUFFER_BYTES,
    ) as session:
        response = await _head(session, url, name)
        try:
            if response.status != 200:
                raise _unusable(name, response)
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                why = f"{name} answered with a Content-Encoding, which was not accepted."
                raise OriginError("unusable", why)
            yield Body(_pieces(response, name), response.content_length)
        finally:
            response.close()


async def _head(session: aiohttp.ClientSession, url: Url, name: str) -> aiohttp.ClientResponse:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await session.get(URL(str(url), encoded=True), allow_redirects=False)
    except TimeoutError:
        why = f"{name} did not begin to answer within {CONNECT_SECONDS:g} s."
        raise OriginError("timeout", why) from None
    except DROPPED as error:
        raise error_for(name, error) from None


async def _pieces(response: aiohttp.ClientResponse, name: str) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(SILENT_SECONDS):
                piece = await response.content.read(BUFFER_BYTES)
        except TimeoutError:
            why = f"{name} sent nothing for {SILENT_SECONDS:g} s."
            raise OriginError("timeout", why) from None
        except DROPPED as error:
            raise error_for(name, error) from None
        if not piece:
            return
        yield piece


def _unusable(name: str, response: aiohttp.ClientResponse) -> OriginError:
    if 300 <= response.status < 400:
        return OriginError("redirect", f"{name} redirects, which is not followed.")
    return OriginError("status", f"{name} answered with {response.status}.")
