"""What the commands that look at a running sidecar share: where it is, asking it, and a console."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import msgspec
from rich.console import Console

from sidecar.cli.client import DEFAULT_URL, Address, Connection, Unreachable

PIPED_COLUMNS = 120

Answered = TypeVar("Answered")
Command = TypeVar("Command", bound=Callable[..., object])


def asks(command: Command) -> Command:
    """The options of a command that asks a sidecar: `url`, `socket` and `as_json`."""
    options = (
        click.option("--url", default=DEFAULT_URL, show_default=True, help="Its data API."),
        click.option("--socket", type=click.Path(path_type=Path), help="Its Unix socket instead."),
        click.option("--json", "as_json", is_flag=True, help="Print the JSON that it answers."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def ask(
    address: Address, method: str, path: str, read: Callable[[bytes], Answered]
) -> tuple[bytes, Answered]:
    """An answer's body, and what `read` makes of it. Raises ClickException, in one line."""
    try:
        body = asyncio.run(_fetch(address, method, path))
        return body, read(body)
    except Unreachable as error:
        raise click.ClickException(f"{error}; is a sidecar running there?") from None
    except (msgspec.MsgspecError, KeyError, TypeError):
        raise click.ClickException(f"{address}: what answers there is no cache-sidecar") from None


def console() -> Console:
    """Stdout; no narrower than a table needs where it is no terminal."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=PIPED_COLUMNS)


async def _fetch(address: Address, method: str, path: str) -> bytes:
    connection = Connection(address)
    try:
        answer = await connection.request(method, path)
    finally:
        connection.close()
    if answer.status >= 300:
        raise Unreachable(f"{address} answers {answer.status}")
    return answer.body
