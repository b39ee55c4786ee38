"""`cache-sidecar stats`: the counters of a running sidecar."""

from __future__ import annotations

from functools import partial

import click
import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from sidecar.cli import figures
from sidecar.cli.asking import ask, asks, console
from sidecar.cli.client import Address
from sidecar.cli.counted import Stats, TierCounts

PROTOCOLS = {"http": "HTTP", "resp": "Redis"}
"""Their names on the screen."""


class InForce(msgspec.Struct):
    """What is shown of /v1/config."""

    revision: str
    source: str
    rejected: msgspec.Raw


@click.command()
@asks
def stats(*, address: Address, as_json: bool) -> None:
    """Show the contents and counters of a running sidecar."""
    read = partial(msgspec.json.decode, type=Stats)
    body, found = ask(address, "GET", "/v1/stats", read)
    if as_json:
        click.echo(body)
        return
    _, document = ask(address, "GET", "/v1/config", partial(msgspec.json.decode, type=InForce))
    console().print(tiers(found), *totals(found), configuration(document), sep="\n")


def tiers(found: Stats) -> Table:
    """A row for each tier."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("tier", "policy"):
        table.add_column(name, no_wrap=True)
    for name in ("entries", "size", "full", "hits", "misses", "ratio", "evicted"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, tier in found.tiers.items():
        table.add_row(
            Text(name, name),
            state(name, tier, found),
            *held(tier),
            figures.count(tier.hits),
            figures.count(tier.misses + tier.expired),
            figures.share(tier.hits / tier.lookups) if tier.lookups else "-",
            figures.count(tier.evictions),
        )
    return table


def state(name: str, tier: TierCounts, found: Stats) -> Text:
    """A tier's policy, or the state of a tier that is not up."""
    if not tier.enabled:
        return Text("off", "dim")
    if name == "l3" and found.l3.state != "up":
        return Text(found.l3.state, "bold red" if found.l3.state == "down" else "yellow")
    return Text(tier.policy)


def held(tier: TierCounts) -> tuple[str, str, str]:
    """Entries, bytes, and the fill ratio of whichever is nearer to its limit."""
    return (
        f"{figures.count(tier.entries)}/{figures.count(tier.max_entries)}",
        f"{figures.size(tier.used_bytes)}/{figures.size(tier.max_bytes)}",
        f"{tier.fill:.0%}",
    )


def totals(found: Stats) -> tuple[Text, ...]:
    """A line about the cache, one about each protocol, and one about L3 if it is enabled."""
    whole = Text(f"hit ratio {figures.share(found.hit_ratio)} of {found.lookups:,} lookups")
    protocols = tuple(protocol(name, found) for name in found.protocols)
    if not found.tiers["l3"].enabled:
        return whole, *protocols
    l3 = found.l3
    on_disk = Text(
        f"L3 is {l3.state} and uses {figures.size(l3.folder_bytes)} on its volume; "
        f"{l3.waiting:,} requests are waiting, {l3.timeouts:,} timed out"
    )
    return whole, *protocols, on_disk


def protocol(name: str, found: Stats) -> Text:
    """What a protocol has been used for, and what is wrong with it."""
    its = found.protocols[name]
    line = Text(f"{PROTOCOLS.get(name, name)}: ")
    if not its.listening and its.trouble is None:
        return line.append("off", "dim")
    line.append(f"{its.requests:,} requests, {its.shed:,} refused, clients: {its.connections:,}")
    return line if its.trouble is None else line.append(f"; {its.trouble}", "bold red")


def configuration(document: InForce) -> Text:
    """A line about the document in force, to compare pods by."""
    line = Text(f"configuration {document.revision[:12]} from {document.source}")
    if bytes(document.rejected) != b"null":
        line.append("; the last one was rejected", "bold red")
    return line
