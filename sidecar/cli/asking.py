"""Shared by the commands that query a running sidecar: its address, requests, and a console."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TypeVar

import click
import msgspec
from rich.console import Console

from sidecar.cli.client import DEFAULT_URL, Address, Connection, NotAllowed, Unreachable
from sidecar.cli.palette import paint
from sidecar.cli.values import TOKEN_FILE_VARIABLE, URL_VARIABLE, AnyPath

PIPED_COLUMNS = 120

Answered = TypeVar("Answered")
Command = Callable[..., None]


def _usual_url() -> str:
    """The default URL. Click's `envvar` would take precedence over the options of a group."""
    return os.environ.get(URL_VARIABLE) or DEFAULT_URL


def _usual_token_file() -> str | None:
    return os.environ.get(TOKEN_FILE_VARIABLE) or None


class NoSidecar(Unreachable):
    """The server at this address is not a sidecar."""


def locates(command: Command) -> Command:
    """Adds the options that tell where the sidecar is, which the command is given as `address`. The
    variable that the chart sets for applications also works with `kubectl exec`.
    """

    @wraps(command)
    def located(
        *args: object, url: str, socket: Path | None, token_file: Path | None, **options: object
    ) -> None:
        command(*args, address=Address.parse(url, socket, token_file), **options)

    options = (
        click.option(
            "--url",
            default=_usual_url,
            help=f"URL of the data API.  [default: ${URL_VARIABLE}, or {DEFAULT_URL}]",
        ),
        click.option("--socket", type=AnyPath(), help="Unix socket of the API."),
        click.option(
            "--token-file",
            type=AnyPath(),
            default=_usual_token_file,
            help=f"File with the token of the sidecar.  [default: ${TOKEN_FILE_VARIABLE}]",
        ),
    )
    found: Command = located
    for option in reversed(options):
        found = option(found)
    return found


def asks(command: Command) -> Command:
    """Adds the options of a command that sends one request: it is given `address` and `as_json`."""
    as_json = click.option("--json", "as_json", is_flag=True, help="Print the response as JSON.")
    return locates(as_json(command))


def ask(
    address: Address, method: str, path: str, read: Callable[[bytes], Answered]
) -> tuple[bytes, Answered]:
    """A response's body, and the value that `read` decodes from it. Raises ClickException."""
    with in_one_line():
        return asyncio.run(_ask(address, method, path, read))


async def answered(
    connection: Connection, method: str, path: str, read: Callable[[bytes], Answered]
) -> tuple[bytes, Answered]:
    """A response's body, and the value that `read` decodes from it. Raises Unreachable."""
    answer = await connection.request(method, path)
    if answer.status >= 300:
        raise Unreachable(f"{connection.address} answered with {answer.status}")
    return answer.body, decoded(connection, answer.body, read)


def decoded(connection: Connection, body: bytes, read: Callable[[bytes], Answered]) -> Answered:
    """The value that `read` decodes from a response's body. Raises Unreachable."""
    try:
        return read(body)
    except (msgspec.MsgspecError, KeyError, TypeError):
        raise NoSidecar(f"{connection.address}: the server is not a cache-sidecar") from None


@contextmanager
def in_one_line() -> Iterator[None]:
    """Report a sidecar that does not answer as an error on one line."""
    try:
        yield
    except (NoSidecar, NotAllowed) as error:
        raise click.ClickException(str(error)) from None
    except Unreachable as error:
        raise click.ClickException(f"{error}; is a sidecar running there?") from None


def console() -> Console:
    """Stdout; wide enough for a table if it is not a terminal."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # so that the µ of a latency does not fail
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
