"""The origins of the namespaces that are configured now, each made when it is first asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from sidecar.config.namespaces import NamespaceConfig
from sidecar.config.origins import OriginConfig
from sidecar.origins.origin import Origin


class ConfiguredOrigins:
    """By the names of their namespaces. One whose configuration has changed is closed when its
    namespace is next read; fetches from it that are under way fail then.
    """

    def __init__(self, make: Callable[[OriginConfig], Origin]) -> None:
        self._make = make
        self._origins: dict[str, Origin] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self.closed_outcomes: Counter[str] = Counter()
        """Those of origins that are not configured any more."""

    def of(self, namespace: NamespaceConfig) -> Origin:
        """The origin of a namespace that has one."""
        assert namespace.origin is not None  # noqa: S101  (it has)
        known = self._origins.get(namespace.name)
        if known is not None and known.config == namespace.origin:
            return known
        if known is not None:
            self._close(known)
        made = self._origins[namespace.name] = self._make(namespace.origin)
        return made

    def keep_only(self, names: set[str]) -> None:
        """Close those of namespaces that have none any more."""
        for name in self._origins.keys() - names:
            self._close(self._origins.pop(name))

    def known(self) -> list[Origin]:
        """Those that have been asked."""
        return list(self._origins.values())

    async def close(self) -> None:
        await asyncio.gather(*(origin.close() for origin in self._origins.values()))
        self._origins.clear()

    def _close(self, origin: Origin) -> None:
        self.closed_outcomes.update(origin.outcomes)
        closing = asyncio.create_task(origin.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
