"""`source: {url: ..., headers: {...}}`: an export that an HTTP server gives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from sidecar.config.section import UNSTATED, Section
from sidecar.origins.allowed import Allowed
from sidecar.origins.download import download
from sidecar.origins.errors import OriginError
from sidecar.origins.request_fields import field_error
from sidecar.origins.url import parse_url
from sidecar.warmers.reach import Reach
from sidecar.warmers.sources.protocol import SourceError, Stream


class UrlOptions(Section):
    """`warmers[].source` with a `url`."""

    url: str
    headers: dict[str, str] = UNSTATED


class UrlSource:
    """See the module."""

    name: ClassVar[str] = "url"
    Options: ClassVar[type[Section]] = UrlOptions

    def find_fault(self, options: UrlOptions, reach: Reach) -> tuple[str, str] | None:
        try:
            url = parse_url(options.url)
        except ValueError as error:
            return "url", str(error)
        if (refused := reach.allowed.refusal_of_url(url)) is not None:
            return "url", refused
        wrong = field_error(options.headers or {})
        return None if wrong is None else ("headers", wrong)

    @asynccontextmanager
    async def open(self, options: UrlOptions, _reach: Reach) -> AsyncIterator[Stream]:
        url = parse_url(options.url)

        def refusal_of_address(address: str) -> str | None:
            return Allowed.refusal_of_address(url, address)

        try:
            async with download(url, options.headers or {}, refusal_of_address) as body:
                yield Stream(body.pieces, body.total_bytes)
        except OriginError as error:
            raise SourceError(str(error)) from None
