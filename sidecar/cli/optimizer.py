"""`cache-sidecar optimizer`: the state of a running sidecar's optimizer, its rules and outcomes."""

from __future__ import annotations

from functools import partial

import click
import msgspec

from sidecar.api.answers import Outcomes, Overview, Rules, Run
from sidecar.catalogue import Catalogue
from sidecar.cli.asking import ask, asks, console
from sidecar.cli.client import Address
from sidecar.cli.figures import Readings
from sidecar.cli.known import pass_catalogue
from sidecar.cli.report import decisions_made, outcomes_table, overview_parts, rules_table


@click.group(invoke_without_command=True)
@asks
@pass_catalogue
def optimizer(catalogue: Catalogue, /, *, address: Address, as_json: bool) -> None:
    """Show the state of the optimizer, its rules and its outcomes."""
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is not None:  # the group's options also apply to the subcommand
        ctx.default_map = {ctx.invoked_subcommand: ctx.params}
        return
    read = partial(msgspec.json.decode, type=Overview)
    body, overview = ask(address, "GET", "/v1/optimizer", read)
    if as_json:
        click.echo(body, nl=False)
        return
    console().print(*overview_parts(overview, Readings(catalogue.signals)), sep="\n")


@optimizer.command()
@asks
@pass_catalogue
def rules(catalogue: Catalogue, /, *, address: Address, as_json: bool) -> None:
    """Show every rule, and why it would fire or not.

    Includes the values in its condition, and the change that it would make.
    """
    read = partial(msgspec.json.decode, type=Rules)
    body, found = ask(address, "GET", "/v1/optimizer/rules", read)
    if as_json:
        click.echo(body, nl=False)
    else:
        console().print(rules_table(found.rules, Readings(catalogue.signals)))


@optimizer.command()
@asks
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Number of outcomes."
)
@pass_catalogue
def outcomes(catalogue: Catalogue, /, *, address: Address, as_json: bool, limit: int) -> None:
    """Show changes and their outcomes, newest first."""
    read = partial(msgspec.json.decode, type=Outcomes)
    _, found = ask(address, "GET", "/v1/optimizer/outcomes", read)
    newest = Outcomes(found.outcomes[:limit])
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(newest)))
    elif newest.outcomes:
        console().print(outcomes_table(newest.outcomes, Readings(catalogue.signals)))
    else:
        click.echo("No outcomes yet; `cache-sidecar optimizer rules` shows why.")


@optimizer.command()
@asks
@click.option("--dry-run", is_flag=True, help="Change nothing; print what each rule would do.")
@pass_catalogue
def run(catalogue: Catalogue, /, *, address: Address, as_json: bool, dry_run: bool) -> None:
    """Evaluate all rules now instead of at the next interval.

    Makes the change of the first rule that can fire.
    """
    path = f"/v1/optimizer/run?dry_run={'true' if dry_run else 'false'}"
    read = partial(msgspec.json.decode, type=Run)
    body, found = ask(address, "POST", path, read)
    if as_json:
        click.echo(body, nl=False)
    elif dry_run:
        console().print(rules_table(found.rules, Readings(catalogue.signals)))
    elif found.decisions:
        console().print(*decisions_made(found.decisions), sep="\n")
    else:
        click.echo("No rule fired; `cache-sidecar optimizer rules` shows why.")


@optimizer.command()
@asks
def reset(*, address: Address, as_json: bool) -> None:
    """Discard all changes, so that every knob has its configured value.

    A trial in progress is rolled back.
    """
    ask(address, "POST", "/v1/optimizer/reset", lambda _: None)
    click.echo("null" if as_json else "Every knob has its configured value.")
