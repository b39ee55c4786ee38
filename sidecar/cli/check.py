"""`cache-sidecar check`: say whether a folder's document would be taken, without a sidecar."""

from __future__ import annotations

from pathlib import Path

import click

from sidecar.cli.values import Size
from sidecar.config import folder
from sidecar.config.document import parse
from sidecar.config.errors import InvalidDocument, UnreadableFolderError
from sidecar.optimizer.vocabulary import vocabulary


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--memory-limit", type=Size(), help="The container's memory limit.  [default: no limit]"
)
@click.option("--data-limit", type=Size(), help="The sidecar's --data-limit.  [default: no limit]")
def check(directory: Path, memory_limit: int | None, data_limit: int | None) -> None:
    """Check the configuration in DIR as the sidecar would, with every mistake at once.

    Prints the revision, or one mistake a line; the exit code is 1 then.
    """
    if not directory.is_dir():
        raise click.BadParameter(f"{directory} is not a directory.", param_hint="DIR")
    try:
        document = parse(
            folder.read(directory),
            vocabulary=vocabulary(),
            memory_limit_bytes=memory_limit,
            data_limit_bytes=data_limit,
        )
    except (InvalidDocument, UnreadableFolderError) as error:
        click.echo(error, err=True)
        raise SystemExit(1) from None
    click.echo(f"ok: revision {document.revision}")
