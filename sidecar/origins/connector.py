"""Connections to one origin: bounded in number, to addresses that are allowed only."""

from __future__ import annotations

import socket
from collections.abc import Callable

from aiohttp import TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

AddressRefusal = Callable[[str], str | None]
"""Why an address is not to be connected to, as a sentence; None if it may be."""


class ForbiddenAddressError(OSError):
    """A name resolves to nothing that may be connected to."""


class _Resolver(AbstractResolver):
    """Resolves names to addresses that are allowed. Each new connection is made to what it gave,
    so there is no moment between check and use. A host that is an address is not resolved, and was
    checked with the configuration.
    """

    def __init__(self, refusal_of: AddressRefusal) -> None:
        self._refusal_of = refusal_of
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        refusals = [self._refusal_of(each["host"]) for each in found]
        if found and None not in refusals:
            raise ForbiddenAddressError(refusals[0])
        return [each for each, no in zip(found, refusals, strict=True) if no is None]

    async def close(self) -> None:
        await self._resolver.close()


def connector(max_connections: int, refusal_of: AddressRefusal) -> TCPConnector:
    """Must be called in a running event loop, and the result be closed."""
    return TCPConnector(limit=max_connections, resolver=_Resolver(refusal_of))
