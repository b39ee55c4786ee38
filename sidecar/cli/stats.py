"""`cache-sidecar stats`: one look at a running sidecar."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from sidecar.cli.client import DEFAULT_URL, Address, Connection, Unreachable

PIPED_COLUMNS = 120


@click.command()
@click.option("--url", default=DEFAULT_URL, show_default=True, help="Address of the data API.")
@click.option("--socket", type=click.Path(path_type=Path), help="Its Unix socket instead.")
@click.option("--json", "as_json", is_flag=True, help="Print the JSON of /v1/stats.")
def stats(*, url: str, socket: Path | None, as_json: bool) -> None:
    """Show what a running sidecar holds and has done."""
    try:
        body = asyncio.run(fetch(Address.parse(url, socket)))
        found = msgspec.json.decode(body)
        table, summary = tiers(found), totals(found)
    except Unreachable as error:
        raise click.ClickException(f"{error}; is a sidecar running there?") from None
    except (msgspec.DecodeError, KeyError, TypeError):
        raise click.ClickException(f"{url}: what answers there is no cache-sidecar") from None
    if as_json:
        click.echo(body)
    else:
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=PIPED_COLUMNS)
        console.print(table)
        console.print(summary)


async def fetch(address: Address) -> bytes:
    """The body of /v1/stats. Raises Unreachable."""
    connection = Connection(address)
    try:
        answer = await connection.request("GET", "/v1/stats")
    finally:
        connection.close()
    if answer.status != 200:
        raise Unreachable(f"{address} answers {answer.status}")
    return answer.body


def tiers(found: dict[str, Any]) -> Table:
    """A row for each tier."""
    table = Table(box=SIMPLE_HEAD)
    for name in ("tier", "policy"):
        table.add_column(name, no_wrap=True)
    for name in ("entries", "size", "hits", "misses", "evicted", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, tier in found["tiers"].items():
        lookups = tier["hits"] + tier["misses"] + tier["expired"]
        table.add_row(
            name,
            tier["policy"] if tier["enabled"] else "off",
            f"{tier['entries']:,} of {tier['max_entries']:,}",
            f"{size(tier['used_bytes'])} of {size(tier['max_bytes'])}",
            f"{tier['hits']:,}",
            f"{tier['misses']:,}",
            f"{tier['evictions']:,}",
            f"{tier['hits'] / lookups:.1%}" if lookups else "-",
        )
    return table


def totals(found: dict[str, Any]) -> str:
    """One line about the whole."""
    l3 = found["l3"]
    return (
        f"hit ratio {found['hit_ratio']:.1%} of {found['hits'] + found['misses']:,} look-ups; "
        f"L3 is {l3['state']}, its folder takes {size(l3['folder_bytes'])}"
    )


def size(count: float) -> str:
    """Bytes for people: three digits and a unit."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GiB"
