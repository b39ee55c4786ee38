"""`cache-sidecar warm`: run a warmer of a running sidecar, and show its progress."""

from __future__ import annotations

import asyncio

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from sidecar.api.warming import WarmerRun, WarmerState, WarmerStates
from sidecar.cli.asking import answered, asks, decoded, in_one_line
from sidecar.cli.client import Address, Connection

POLL_SECONDS = 0.2


class _Problem(msgspec.Struct):
    detail: str


_read_state = msgspec.json.Decoder(WarmerState).decode
_read_states = msgspec.json.Decoder(WarmerStates).decode
_read_problem = msgspec.json.Decoder(_Problem).decode


@click.command()
@click.argument("name")
@click.option("--cancel", is_flag=True, help="Cancel the run in progress.")
@asks
def warm(*, name: str, cancel: bool, address: Address, as_json: bool) -> None:
    """Run the warmer NAME, and show its progress.

    The run goes on in the sidecar if this command is interrupted. The exit status is 1 if the run
    does not succeed.
    """
    with in_one_line():
        if cancel:
            asyncio.run(_cancel(address, name))
            return
        run = asyncio.run(_run(address, name, _bar(hidden=as_json)))
    if as_json:
        click.echo(msgspec.json.encode(run))
    else:
        _print(name, run)
    if run.result != "succeeded":
        raise SystemExit(1)


async def _run(address: Address, name: str, bar: Progress) -> WarmerRun:
    connection = Connection(address)
    try:
        body = await _asked(connection, "POST", name)
        began = decoded(connection, body, _read_state).run
        with bar:
            task = bar.add_task(name, total=None, loaded=0)
            while True:
                state = await _state(connection, name)
                run = state.run
                if run is None or began is None or run.began_at != began.began_at:
                    run = state.last_run  # that run has ended, and another may have begun
                if run is not None:
                    total = run.total_bytes
                    bar.update(task, completed=run.read_bytes, total=total, loaded=run.loaded)
                    if run.result is not None:
                        return run
                await asyncio.sleep(POLL_SECONDS)
    finally:
        connection.close()


async def _state(connection: Connection, name: str) -> WarmerState:
    _, states = await answered(connection, "GET", "/v1/warmers", _read_states)
    for state in states.warmers:
        if state.name == name:
            return state
    raise click.ClickException(f"The warmer {name} is no longer configured.")


async def _cancel(address: Address, name: str) -> None:
    connection = Connection(address)
    try:
        await _asked(connection, "DELETE", name)
    finally:
        connection.close()


async def _asked(connection: Connection, method: str, name: str) -> bytes:
    """The answer about a warmer's run. Raises ClickException with what the sidecar says."""
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        raise click.BadParameter(f"{name!r} is not the name of a warmer.", param_hint="NAME")
    answer = await connection.request(method, f"/v1/warmers/{name}/run")
    if answer.status in {404, 409}:
        problem = decoded(connection, answer.body, _read_problem)
        raise click.ClickException(problem.detail)
    if answer.status not in {202, 204}:
        raise click.ClickException(f"{connection.address} answered with {answer.status}")
    return answer.body


def _print(name: str, run: WarmerRun) -> None:
    seconds = (run.ended_at or run.began_at) - run.began_at
    reason = "" if run.reason is None else f": {run.reason}"
    click.echo(f"{name}: {run.result}{reason}")
    click.echo(
        f"{run.loaded} loaded, {run.skipped} skipped, {run.failed} failed in {seconds:.1f} s"
    )
    for broken in run.errors:
        click.echo(f"line {broken.line}: {broken.error}", err=True)
    if (more := run.failed - len(run.errors)) > 0:
        click.echo(f"and {more} more", err=True)


def _bar(*, hidden: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[loaded]} loaded"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=hidden,
    )
