"""`cache-sidecar replay`: drive a running sidecar with a trace, as an application would.

Look-aside: each request is a GET, and a miss is followed by a PUT of a value of the trace's size.
Several workers take requests from one iterator. Requests for one key are serialized, so that their
order is that of the trace: a key requested twice in a row misses once. If the sidecar becomes
unreachable, the replay waits for it.
"""

from __future__ import annotations

import asyncio
import random
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sidecar.cli import traces
from sidecar.cli.asking import in_one_line, locates
from sidecar.cli.client import Address, Connection, Unreachable
from sidecar.cli.values import AnyPath
from sidecar.store.turns import Turns

DEFAULT_SIZE = 256
"""The size of a value if the trace has none."""
MAX_SIZE = 64 << 20
RECONNECT_SECONDS = 0.1
GIVE_UP_SECONDS = 30.0
"""How long the sidecar may be unreachable before the replay fails."""
PERCENTILES = (0.5, 0.9, 0.99, 0.999)


@dataclass(slots=True)
class Outcome:
    """The result of a replay. `latencies` are those of the GETs, in seconds."""

    requests: int = 0
    hits: int = 0
    errors: int = 0
    too_large: int = 0
    tiers: Counter[str] = field(default_factory=Counter)
    latencies: array[float] = field(default_factory=lambda: array("f"))
    seconds: float = 0.0

    def summary(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        ranked = sorted(self.latencies)
        return {
            "requests": self.requests,
            "hits": self.hits,
            "hit_ratio": self.hits / self.requests if self.requests else 0.0,
            "errors": self.errors,
            "too_large": self.too_large,
            "tiers": {tier: self.tiers[tier] for tier in ("l1", "l2", "l3")},
            "requests_per_second": self.requests / self.seconds if self.seconds else 0.0,
            "latency_seconds": {
                f"p{share * 100:g}": ranked[min(len(ranked) - 1, int(share * len(ranked)))]
                for share in PERCENTILES
                if ranked
            },
        }


@click.command()
@click.argument("trace", type=AnyPath())
@locates
@click.option("--namespace", default="replay", show_default=True, help="Namespace of the keys.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1024),
    default=16,
    show_default=True,
    help="Number of concurrent requests.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Stop after this many requests.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def replay(
    *,
    trace: Path,
    address: Address,
    namespace: str,
    concurrency: int,
    limit: int | None,
    as_json: bool,
) -> None:
    """Drive a running sidecar with a trace of requests.

    TRACE has one request per line, `key` or `key,size`, and may be gzipped. A response other than a
    hit, a miss or a stored value counts as an error, and so does a missing response. Values that
    the sidecar rejects as too large are counted separately.
    """
    bar = _bar(hidden=as_json)
    try:
        with in_one_line(), bar:
            task = bar.add_task("replay", total=limit)
            requests = bar.track(islice(traces.read(trace), limit), total=limit, task_id=task)
            outcome = uvloop.run(Replay(address, namespace).run(iter(requests), concurrency))
    except traces.TraceError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(msgspec.json.encode(outcome.summary()))
    else:
        _print(outcome.summary())


class Replay:
    """One replay against one sidecar."""

    def __init__(self, address: Address, namespace: str) -> None:
        self._address = address
        self._prefix = f"/v1/cache/{quote(namespace, safe='')}/"
        self.outcome = Outcome()
        """Intermediate results while it runs."""
        self._turns = Turns()
        # Half noise, half zeros: compressible, like real values. Every value is a slice of it.
        noise = random.Random(20240607).randbytes(1 << 15)  # noqa: S311  (no secret)
        self._matter = b"".join(bytes([byte, 0]) for byte in noise)

    async def run(self, requests: Iterator[traces.Request], concurrency: int) -> Outcome:
        """Raises Unreachable after GIVE_UP_SECONDS without the sidecar, and traces.TraceError."""
        start = time.perf_counter()
        async with asyncio.TaskGroup() as workers:
            tasks = [workers.create_task(self._work(requests)) for _ in range(concurrency)]
        for task in tasks:
            if (error := task.result()) is not None:
                raise error
        self.outcome.seconds = time.perf_counter() - start
        return self.outcome

    async def _work(
        self, requests: Iterator[traces.Request]
    ) -> Unreachable | traces.TraceError | None:
        connection = Connection(self._address)
        last_answer = time.monotonic()
        try:
            for request in requests:
                try:
                    async with self._turns.of(request.key):
                        await self._serve(connection, request)
                    last_answer = time.monotonic()
                except Unreachable as error:
                    if time.monotonic() - last_answer > GIVE_UP_SECONDS or not self.outcome.hits:
                        return error
                    self.outcome.errors += 1
                    await asyncio.sleep(RECONNECT_SECONDS)
        except traces.TraceError as error:
            return error
        finally:
            connection.close()
        return None

    async def _serve(self, connection: Connection, request: traces.Request) -> None:
        outcome = self.outcome
        path = self._prefix + quote(request.key)
        outcome.requests += 1
        start = time.perf_counter()
        answer = await connection.request("GET", path)
        outcome.latencies.append(time.perf_counter() - start)
        if answer.status == 200:
            outcome.hits += 1
            detail = answer.headers.get(b"cache-status", b"").rpartition(b"detail=")[2]
            outcome.tiers[detail.decode()] += 1
        elif answer.status == 404:
            answer = await connection.request("PUT", path, self._value(request.size_bytes))
            if answer.status == 413:
                outcome.too_large += 1
            elif answer.status not in (201, 204):
                outcome.errors += 1
        else:
            outcome.errors += 1

    def _value(self, size: int | None) -> bytes:
        length = min(DEFAULT_SIZE if size is None else size, MAX_SIZE)
        return (self._matter * (length // len(self._matter) + 1))[:length]


def _bar(*, hidden: bool) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=hidden or not console.is_terminal,
    )


def _print(summary: dict[str, Any]) -> None:
    console = Console(highlight=False)
    requests = max(1, summary["requests"])
    console.print(f"requests   {summary['requests']:,} ({summary['requests_per_second']:,.0f}/s)")
    console.print(f"hit ratio  {summary['hit_ratio']:.2%}")
    for tier, hits in summary["tiers"].items():
        console.print(f"  {tier}       {hits / requests:.2%}")
    for name, seconds in summary["latency_seconds"].items():
        console.print(f"{name:10} {seconds * 1e3:.2f} ms")
    console.print(f"too large  {summary['too_large']:,}")
    console.print(f"errors     {summary['errors']:,}")
