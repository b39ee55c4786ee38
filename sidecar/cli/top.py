"""`cache-sidecar top`: a running sidecar, sampled periodically."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import repeat

import click

from sidecar.catalogue import Catalogue
from sidecar.cli import lines
from sidecar.cli.asking import console, in_one_line, locates
from sidecar.cli.client import Address
from sidecar.cli.figures import Readings
from sidecar.cli.known import pass_catalogue
from sidecar.cli.screen import Screen
from sidecar.cli.terminal import Canvas
from sidecar.cli.values import Duration
from sidecar.cli.watching import Watch

LEAST_SECONDS, MOST_SECONDS = 0.1, 3600.0


def _bounded(_ctx: click.Context, _param: click.Parameter, seconds: float) -> float:
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise click.BadParameter("must be a duration from 100ms to 1h.")
    return seconds


@click.command()
@locates
@click.option(
    "--interval",
    type=Duration(),
    default="2s",
    show_default=True,
    callback=_bounded,
    help="Time between samples.",
)
@click.option("--count", type=click.IntRange(min=1), help="Stop after this many intervals.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@pass_catalogue
def top(
    catalogue: Catalogue,
    /,
    *,
    address: Address,
    interval: float,
    count: int | None,
    as_json: bool,
) -> None:
    """Watch a running sidecar.

    Shows hits by tier, latency, memory, rules and outcomes. On a terminal it updates a screen; q or
    Ctrl-C quits. Otherwise it prints a line for each interval and for each outcome. If the sidecar
    becomes unreachable, it waits.
    """
    watch, readings = Watch(address), Readings(catalogue.signals)
    with in_one_line():
        asyncio.run(_until_ended(_watch(watch, readings, interval, count, as_json=as_json)))


async def _until_ended(watching: Coroutine[None, None, None]) -> None:
    """Exit normally on Ctrl-C, which is how a user quits."""
    task = asyncio.create_task(watching)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


async def _watch(
    watch: Watch, readings: Readings, interval: float, count: int | None, *, as_json: bool
) -> None:
    await watch.begin()
    out = console()
    if out.is_interactive and out.file.isatty() and not as_json:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        canvas = Canvas(out, Screen(watch, readings, interval), task.cancel)
        with canvas.shown():
            await _keep_looking(watch, interval, count, canvas.draw)
        return
    said_of = lines.as_json if as_json else lines.Text(readings)

    def say() -> None:
        for line in said_of(watch):
            click.echo(line)

    await _keep_looking(watch, interval, count, say)


async def _keep_looking(
    watch: Watch, interval: float, count: int | None, show: Callable[[], None]
) -> None:
    due = time.monotonic()
    for _ in repeat(None) if count is None else repeat(None, count):
        due = max(due + interval, time.monotonic())  # late samples are not made up for
        await asyncio.sleep(due - time.monotonic())
        await watch.look()
        show()
