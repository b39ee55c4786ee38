"""`cache-sidecar stats`: one look at a running sidecar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table

from sidecar.cli.asking import ask, asks, console
from sidecar.cli.client import Address
from sidecar.cli.figures import size


@click.command()
@asks
def stats(*, url: str, socket: Path | None, as_json: bool) -> None:
    """Show what a running sidecar holds and has done."""
    body, (table, summary) = ask(Address.parse(url, socket), "GET", "/v1/stats", read)
    if as_json:
        click.echo(body)
        return
    out = console()
    out.print(table)
    out.print(summary)


def read(body: bytes) -> tuple[Table, str]:
    """What is shown of the body of /v1/stats."""
    found = msgspec.json.decode(body)
    return tiers(found), totals(found)


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
