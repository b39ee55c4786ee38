"""Random reconfigurations of a sidecar under load, every tenth invalid, and their results.

The sizes are random and always large enough for the keys of the load, so no key may be lost.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import yaml

from sidecar.catalogue import CATALOGUE
from sidecar.config.values import revision
from tests.kube.threaded import NAME, NAMESPACE

KEYS = 200
WORKERS = 8
INVALID_EVERY = 10
PATIENCE_SECONDS = 60.0
SUCCESSES = 'cache_sidecar_config_reloads_total{result="success",source="api"}'
FAILURES = 'cache_sidecar_config_reloads_total{result="failure",source="api"}'


@dataclass
class Outcome:
    """The observations. All except `requests` and `seen` should be as low as possible."""

    requests: int = 0
    failed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    """The numbers of the documents that were in force, in order."""


class Reconfiguring:
    """`sidecar` and `api` are base URLs of the data API and of an API server."""

    def __init__(self, session: aiohttp.ClientSession, sidecar: str, api: str, seed: int) -> None:
        self._session = session
        self._sidecar = sidecar
        self._url = f"{api}/api/v1/namespaces/{NAMESPACE}/configmaps/{NAME}"
        self._rng = random.Random(seed)
        self._numbers: dict[str, int] = {}
        self._number = 0
        self.outcome = Outcome()

    async def run(self, count: int) -> None:
        """Make this many changes, some without a pause and some with one, under constant load."""
        load = [asyncio.create_task(self._load(worker)) for worker in range(WORKERS)]
        look = asyncio.create_task(self._look())
        for _ in range(count):
            await self.publish()
            await asyncio.sleep(self._rng.choice((0, 0, 0.005, 0.02)))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self._last_good not in self.outcome.seen:
                await asyncio.sleep(0.01)
        look.cancel()
        for task in load:
            task.cancel()
        await asyncio.gather(look, *load, return_exceptions=True)

    async def publish(self) -> bool:
        """Publish the next document; every tenth is invalid. Returns whether this one is valid."""
        self._number += 1
        bad = self._number % INVALID_EVERY == 0
        text = yaml.safe_dump(_document(self._rng, self._number, bad=bad))
        if not bad:
            self._numbers[revision({"cache.yaml": text})] = self._number
            self._last_good = self._number
        body = {"data": {"cache.yaml": text}}
        async with self._session.put(self._url, json=body) as answer:
            assert answer.status == 200, await answer.text()
        return not bad

    async def in_force(self) -> int:
        """The number of the document that /v1/config shows; 0 for another one."""
        async with self._session.get(f"{self._sidecar}/v1/config") as answer:
            return self._numbers.get((await answer.json())["revision"], 0)

    async def until_in_force(self) -> None:
        """Wait until /v1/config shows the last valid one."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.in_force() != self._last_good:
                await asyncio.sleep(0.001)

    async def _look(self) -> None:
        while True:
            number = await self.in_force()
            if number and number != (self.outcome.seen or [0])[-1]:
                self.outcome.seen.append(number)
            await asyncio.sleep(0.005)

    async def _load(self, worker: int) -> None:
        rng, written = random.Random(worker), {}
        while True:
            key = f"key{worker}-{rng.randrange(KEYS // WORKERS)}"
            if key not in written or rng.random() < 0.2:
                written[key] = rng.randbytes(rng.randrange(1, 2000))
                await self._ask("PUT", key, written[key])
                continue
            status, body = await self._ask("GET", key, None)
            if status == 404:
                self.outcome.lost.append(key)
                del written[key]
            elif status == 200 and body != written[key]:
                self.outcome.failed.append(f"{key} has another value")

    async def _ask(self, method: str, key: str, body: bytes | None) -> tuple[int, bytes]:
        self.outcome.requests += 1
        url = f"{self._sidecar}/v1/cache/load/{key}"
        try:
            async with self._session.request(method, url, data=body) as answer:
                read = await answer.read()
                if answer.status not in (200, 201, 204, 404):
                    self.outcome.failed.append(f"{method} {key}: {answer.status} {read!r}")
                return answer.status, read
        except aiohttp.ClientError as error:
            self.outcome.failed.append(f"{method} {key}: {error!r}")
            return 0, b""


def _document(rng: random.Random, number: int, *, bad: bool) -> dict[str, Any]:
    def tier(policies: list[str], fewest: int) -> dict[str, Any]:
        return {
            "policy": rng.choice(policies),
            "max_entries": rng.randint(fewest, 10 * KEYS),
            "max_bytes": f"{rng.randint(2, 40)}MiB",
        }

    any_policy = sorted(CATALOGUE.policies)
    document: dict[str, Any] = {
        "tiers": {
            "l1": tier(any_policy, 1),
            "l2": {**tier(any_policy, KEYS), "compression": rng.choice(["zstd", "none"])},
            "l3": tier(["lru", "lfu", "fifo", "ttl", "random"], KEYS),
        },
        "promote_after": rng.randint(1, 5),
        "default_ttl": f"{3600 + number}s",  # so that no two are alike
        "max_value_bytes": "1MiB",
    }
    if bad:
        document["tiers"]["l1"]["max_entries"] = -number
    return document
