"""`cache-sidecar check`: validate a directory's document without a sidecar."""

from __future__ import annotations

from pathlib import Path

import click

from sidecar.catalogue import Catalogue
from sidecar.cli.known import pass_catalogue
from sidecar.cli.values import AnyPath, Size, reaches
from sidecar.config.document import parse
from sidecar.config.errors import InvalidDocument, UnreadableFolderError
from sidecar.config.quantities import format_size
from sidecar.config.values import CacheConfig, Document
from sidecar.documents import folder
from sidecar.warmers.reach import Reach


@click.command()
@click.argument("directory", metavar="DIR", type=AnyPath())
@click.option(
    "--memory-limit", type=Size(), help="The container's memory limit.  [default: no limit]"
)
@click.option("--data-limit", type=Size(), help="The sidecar's --data-limit.  [default: no limit]")
@reaches
@pass_catalogue
def check(
    catalogue: Catalogue,
    /,
    *,
    directory: Path,
    memory_limit: int | None,
    data_limit: int | None,
    reach: Reach,
) -> None:
    """Validate a configuration directory without a sidecar.

    Reads DIR as the sidecar does. Prints the revision and a summary, or all errors, one per line,
    and exits with status 1.
    """
    if not directory.is_dir():
        raise click.BadParameter(f"{directory} is not a directory.", param_hint="DIR")
    try:
        document = parse(
            folder.read(directory),
            vocabulary=catalogue.vocabulary_within(reach),
            memory_limit_bytes=memory_limit,
            data_limit_bytes=data_limit,
        )
    except (InvalidDocument, UnreadableFolderError) as error:
        click.echo(error, err=True)
        raise SystemExit(1) from None
    click.echo(f"ok: revision {document.revision}")
    click.echo(_summary(document))
    if memory_limit is not None:
        click.echo(_memory(document.cache))


def _memory(cache: CacheConfig) -> str:
    """What is in force with the memory limit."""
    tiers = cache.tiers
    sizes = [
        f"{name} {format_size(tier.max_bytes) if tier.enabled else 'off'}"
        for name, tier in (("l1", tiers.l1), ("l2", tiers.l2), ("l3", tiers.l3))
    ]
    largest = format_size(cache.max_value_bytes)
    return f"memory: max_bytes of {', '.join(sizes)}; max_value_bytes {largest}"


def _summary(document: Document) -> str:
    """The number of rules and baselines, and how many of the rules run."""
    optimizer = document.optimizer
    running = sum(rule.runs_at(optimizer.level) for rule in optimizer.rules)
    runs = f"{running} of them run at level {optimizer.level}"
    if optimizer.dry_run:
        runs += ", as a dry run"
    if not optimizer.enabled:
        runs = "none of them runs, since the optimizer is disabled"
    lines = f"rules: {len(optimizer.rules)}, {runs}\nbaselines: {len(document.baselines)}"
    warmers = len(document.warmers)
    return f"{lines}\nwarmers: {warmers}" if warmers else lines
