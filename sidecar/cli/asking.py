"""What the commands that look at a running sidecar share: where it is, asking it, and a console."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import click
import msgspec
from rich.console import Console

from sidecar.cli.client import DEFAULT_URL, Address, Connection, Unreachable
from sidecar.cli.palette import paint

PIPED_COLUMNS = 120
URL_VARIABLE = "CACHE_SIDECAR_URL"

Answered = TypeVar("Answered")
Command = TypeVar("Command", bound=Callable[..., object])


def _usual_url() -> str:
    """No `envvar` of click's: that would come before what a group has been told."""
    return os.environ.get(URL_VARIABLE) or DEFAULT_URL


class NoSidecar(Unreachable):
    """Something answers, and not as a sidecar does."""


def locates(command: Command) -> Command:
    """The options that say which sidecar: `url` and `socket`. The chart's variable for applications
    is good for whoever comes by `kubectl exec`, too.
    """
    options = (
        click.option(
            "--url",
            default=_usual_url,
            help=f"Its data API.  [default: ${URL_VARIABLE}, or {DEFAULT_URL}]",
        ),
        click.option("--socket", type=click.Path(path_type=Path), help="Its Unix socket instead."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def asks(command: Command) -> Command:
    """The options of a command that asks a sidecar once: `url`, `socket` and `as_json`."""
    as_json = click.option(
        "--json", "as_json", is_flag=True, help="Print the JSON that it answers."
    )
    return locates(as_json(command))


def ask(
    address: Address, method: str, path: str, read: Callable[[bytes], Answered]
) -> tuple[bytes, Answered]:
    """An answer's body, and what `read` makes of it. Raises ClickException, in one line."""
    with in_one_line():
        return asyncio.run(_ask(address, method, path, read))


async def answered(
    connection: Connection, method: str, path: str, read: Callable[[bytes], Answered]
) -> tuple[bytes, Answered]:
    """An answer's body, and what `read` makes of it. Raises Unreachable."""
    answer = await connection.request(method, path)
    if answer.status >= 300:
        raise Unreachable(f"{connection.address} answers {answer.status}")
    try:
        return answer.body, read(answer.body)
    except (msgspec.MsgspecError, KeyError, TypeError):
        raise NoSidecar(f"{connection.address}: what answers there is no cache-sidecar") from None


@contextmanager
def in_one_line() -> Iterator[None]:
    """Tell of a sidecar that does not answer, and ask what an operator would ask himself."""
    try:
        yield
    except NoSidecar as error:
        raise click.ClickException(str(error)) from None
    except Unreachable as error:
        raise click.ClickException(f"{error}; is a sidecar running there?") from None


def console() -> Console:
    """Stdout; no narrower than a table needs where it is no terminal."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # the µ of a latency is no reason to fail
    found = Console(highlight=False)
    return paint(found if found.is_terminal else Console(highlight=False, width=PIPED_COLUMNS))


async def _ask(
    address: Address, method: str, path: str, read: Callable[[bytes], Answered]
) -> tuple[bytes, Answered]:
    connection = Connection(address)
    try:
        return await answered(connection, method, path, read)
    finally:
        connection.close()
