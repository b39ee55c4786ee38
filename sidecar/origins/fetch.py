"""One fetch from an HTTP origin, bounded in time, bytes and redirects.

The origin is not trusted: its response is a value, a result without one, or an error, whatever it
sends, and nothing of a response is kept beyond that: no cookies, no header fields but those that
`freshness` reads. Only what is asked for is understood: a whole body without a content coding. A
coded one is refused, since it answers a request that accepts `identity` alone.
"""

from __future__ import annotations

import asyncio
import io

import aiohttp
import msgspec
from yarl import URL

from sidecar.api.errors import InvalidRequestError
from sidecar.api.values import content_type_of
from sidecar.config.origins import OriginConfig
from sidecar.model.clock import Clock
from sidecar.model.entry import DEFAULT_CONTENT_TYPE
from sidecar.origins.address import Template
from sidecar.origins.connector import AddressRefusal, connector
from sidecar.origins.errors import OriginError
from sidecar.origins.freshness import Freshness, freshness_of
from sidecar.origins.memory import Held, Memory
from sidecar.origins.request_fields import conditions, fields_of_all
from sidecar.origins.results import Fetched, Negative, NotModified, Result, Terms, Unshareable
from sidecar.origins.statuses import Meaning, meaning_of
from sidecar.origins.trouble import DROPPED, error_for

MAX_REDIRECTS = 3
MAX_FIELDS = 64
MAX_FIELD_BYTES = 8190
"""A head has at most these two: half a mebibyte."""
NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=None)
"""There is one for the fetch as a whole."""


class Fetcher:
    """A session with one origin. Must be created in a running event loop, and be closed."""

    def __init__(
        self,
        template: Template,
        config: OriginConfig,
        refusal_of_address: AddressRefusal,
        memory: Memory,
        clock: Clock,
    ) -> None:
        self._template = template
        self._config = config
        self._memory = memory
        self._clock = clock
        self._name = template.base.authority
        self._session = aiohttp.ClientSession(
            connector=connector(config.max_in_flight, refusal_of_address),
            headers=fields_of_all(config.headers),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=NO_TIMEOUT,
            auto_decompress=False,
            trust_env=False,
            max_line_size=MAX_FIELD_BYTES,
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_FIELDS,
        )

    async def close(self) -> None:
        """Fetches that are in flight fail."""
        await self._session.close()

    async def fetch(self, url: str, terms: Terms) -> Result:
        """Raises OriginError, and TooManyFetchesError if there is no memory for the body.

        A request whose connection ends before any response is sent once more (RFC 9110, section
        9.2.2): a kept connection may have been closed meanwhile.
        """
        try:
            async with asyncio.timeout(self._config.timeout_seconds):
                with Held(self._memory) as held:
                    return await self._follow(url, terms, held)
        except TimeoutError:
            seconds = f"{self._config.timeout_seconds:g} s"
            why = f"{self._name} did not send a whole response within {seconds}."
            raise OriginError("timeout", why) from None
        except DROPPED as error:
            raise error_for(self._name, error) from None

    async def _follow(self, url: str, terms: Terms, held: Held) -> Result:
        fields, redirect = conditions(terms.validators), None
        for _ in range(1 + MAX_REDIRECTS):
            requested_at = self._clock()
            async with self._session.get(
                URL(url, encoded=True), headers=fields, allow_redirects=False
            ) as response:
                meaning = meaning_of(response.status, conditional=bool(fields))
                freshness = self._freshness(response, meaning, terms, requested_at)
                if redirect is not None:
                    freshness = freshness.narrowed(redirect)
                if meaning != "redirect":
                    return await self._result(response, meaning, freshness, terms, held)
                url = self._target(url, response)
            fields, redirect = {}, freshness  # the validators are not those of another URL
        raise OriginError("redirect", f"{self._name} redirects more than {MAX_REDIRECTS} times.")

    def _freshness(
        self, response: aiohttp.ClientResponse, meaning: Meaning, terms: Terms, requested_at: float
    ) -> Freshness:
        default = terms.default_ttl_seconds
        if meaning == "negative":
            default = self._config.negative_ttl_seconds
        elif meaning == "not_modified" and terms.kept_ttl_seconds is not None:
            default = terms.kept_ttl_seconds
        return freshness_of(
            response.headers,
            requested_at=requested_at,
            answered_at=self._clock(),
            default_seconds=default,
        )

    def _target(self, url: str, response: aiohttp.ClientResponse) -> str:
        """Where a redirect leads. Raises OriginError."""
        target = self._template.redirected(url, response.headers.get("Location", ""))
        if target is None:
            why = f"{self._name} redirects away from {self._template.base}, which is not followed."
            raise OriginError("redirect", why)
        return target

    async def _result(
        self,
        response: aiohttp.ClientResponse,
        meaning: Meaning,
        freshness: Freshness,
        terms: Terms,
        held: Held,
    ) -> Result:
        match meaning:
            case "value" | "other":
                value = await self._body(response, terms.max_value_bytes, held)
                content_type = _content_type(response)
                if meaning == "value" and freshness.store:
                    return Fetched(value, content_type, freshness)
                return Unshareable(value, content_type, response.status)
            case "not_modified":
                return NotModified(self._freshened(freshness, terms))
            case "negative":
                ttl = min(freshness.lifetime_seconds, self._config.negative_ttl_seconds)
                return Negative(response.status, ttl if freshness.store else 0.0)
            case "failure":
                raise OriginError("status", f"{self._name} answered with {response.status}.")
        why = f"{self._name} answered with {response.status}, which has no value of the key."
        raise OriginError("unusable", why)

    def _freshened(self, freshness: Freshness, terms: Terms) -> Freshness:
        """What a 304 says of the stored value. Raises OriginError if it is about another one (RFC
        9111, section 4.3.4). Validators that it does not repeat are those that were sent.
        """
        sent = terms.validators
        if sent.etag and freshness.etag and _opaque(sent.etag) != _opaque(freshness.etag):
            why = f"{self._name} answered with 304 for a version that it was not asked about."
            raise OriginError("unusable", why)
        return msgspec.structs.replace(
            freshness,
            etag=freshness.etag or sent.etag,
            last_modified=freshness.last_modified or sent.last_modified,
        )

    async def _body(self, response: aiohttp.ClientResponse, most: int, held: Held) -> bytes:
        """The whole body. Raises OriginError; reads no further than to one piece over `most`."""
        self._refuse_codings(response)
        too_large = OriginError("too_large", f"{self._name} sent more than {most:,} bytes.")
        if (response.content_length or 0) > most:
            raise too_large
        body = io.BytesIO()
        async for piece in response.content.iter_any():
            size = body.tell() + len(piece)
            if size > most:
                raise too_large
            held.grow_to(size)
            body.write(piece)
        return body.getvalue()

    def _refuse_codings(self, response: aiohttp.ClientResponse) -> None:
        """Raises OriginError for a coding but `chunked`, which aiohttp undoes."""
        for name, known in (("Content-Encoding", "identity"), ("Transfer-Encoding", "chunked")):
            codings = ",".join(response.headers.getall(name, ()))
            if codings.strip(" \t,").lower() not in ("", known):
                why = f"{self._name} answered with {name} {codings[:40]!r}, which was not accepted."
                raise OriginError("unusable", why)


def _content_type(response: aiohttp.ClientResponse) -> str:
    """That of the response, if an entry can have it."""
    try:
        return content_type_of(response.headers.get("Content-Type", ""))
    except InvalidRequestError:
        return DEFAULT_CONTENT_TYPE


def _opaque(etag: str) -> str:
    """For weak comparison (RFC 9110, section 8.8.3.2)."""
    return etag.removeprefix("W/")
