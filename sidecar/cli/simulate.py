"""The command `simulate`: what hit ratio a policy would have had on a trace.

No server, no tiers, no bytes: one policy, bounded by entries. A request for a key that is there is
a hit; a miss puts it in, and what the policy then evicts leaves. The start is cold and counts.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter

import click
from rich.console import Console
from rich.table import Table

from sidecar.catalogue import Catalogue
from sidecar.cli import traces
from sidecar.cli.known import catalogue_of, pass_catalogue
from sidecar.policies.protocol import NEVER, Policy
from sidecar.policies.registry import Policies, UnknownPolicyError
from sidecar.policies.spec import PolicySpec

_BATCH = 65_536


class _Simulate(click.Command):
    """Takes the policies that are known, and has an option for each of their options."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        policies = catalogue_of(ctx).policies
        names = ", ".join(sorted(policies))
        policy = click.Option(["--policy"], required=True, help=f"One of {names}.")
        return [*super().get_params(ctx), policy, *_policy_options(policies)]


@click.command(cls=_Simulate)
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("--entries", type=click.IntRange(min=1), required=True, help="Capacity in entries.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seeds all chance.")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many requests.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@pass_catalogue
def simulate(
    catalogue: Catalogue,
    /,
    *,
    trace: Path,
    policy: str,
    entries: int,
    seed: int,
    limit: int | None,
    as_json: bool,
    **stated: float | None,
) -> None:
    """Say what hit ratio a policy would have on a trace.

    TRACE has one request a line, `key` or `key,size`, and may end in .gz. Sizes are ignored, a miss
    inserts, nothing expires, and the cold start is counted. The rate is that of the policy and of
    asking which keys are there; reading the file is not part of it.
    """
    options = {name: value for name, value in stated.items() if value is not None}
    _refuse_foreign(catalogue, policy, options)
    # Repeatable chance is what a simulation wants; nothing here is a secret.
    rng = random.Random(seed)  # noqa: S311
    try:
        keys = (request.key for request in islice(traces.read(trace), limit))
        outcome = run(catalogue.policies.make(policy, entries, rng=rng, **options), entries, keys)
    except (UnknownPolicyError, traces.TraceError) as error:
        raise click.ClickException(str(error)) from error
    if not outcome.requests:
        raise click.ClickException(f"{trace}: no requests")
    if as_json:
        click.echo(json.dumps(asdict(outcome)))
    else:
        _print(policy, entries, outcome)


def _policy_options(policies: Policies) -> Iterator[click.Parameter]:
    for name, option in {it.name: it for spec in policies.values() for it in spec.options}.items():
        owners = ", ".join(spec.name for spec in policies.values() if name in _names(spec))
        told = f"{owners} only: {option.meaning}; {option.default} if not given."
        bounds = click.FloatRange(option.above, option.below)
        yield click.Option([f"--{name}"], type=bounds, help=told)


def _refuse_foreign(catalogue: Catalogue, policy: str, options: Iterable[str]) -> None:
    """Raises ClickException for an option of another policy."""
    spec = catalogue.policies.get(policy)
    for name in options:
        if spec and name not in _names(spec):
            owners = [it.name for it in catalogue.policies.values() if name in _names(it)]
            told = f"--{name} is an option of {', '.join(owners)}, not of {policy}"
            raise click.ClickException(told)


def _names(spec: PolicySpec) -> list[str]:
    return [option.name for option in spec.options]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a simulation; `hit_ratio` is from 0 to 1."""

    requests: int
    hits: int
    hit_ratio: float
    requests_per_second: float


def run(policy: Policy, entries: int, keys: Iterable[bytes]) -> Outcome:
    """Send `keys` through `policy`, which holds at most `entries` of them.

    Only the policy and the set of keys held are timed, batch by batch: not how `keys` are made.
    """
    hit, insert, evict = policy.hit, policy.insert, policy.evict
    held: set[bytes] = set()  # a tier too asks its own table first, which a set stands for
    requests = misses = 0
    seconds = 0.0
    for batch in _batches(keys):
        started = perf_counter()
        for key in batch:
            if key in held:
                hit(key)
            else:
                misses += 1
                insert(key, NEVER)
                held.add(key)
                if len(held) > entries:
                    held.remove(evict())
        seconds += perf_counter() - started
        requests += len(batch)
    hits = requests - misses
    return Outcome(
        requests=requests,
        hits=hits,
        hit_ratio=hits / requests if requests else 0.0,
        requests_per_second=requests / seconds if seconds else 0.0,
    )


def _batches(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    remaining = iter(keys)
    while batch := list(islice(remaining, _BATCH)):
        yield batch


def _print(policy: str, entries: int, outcome: Outcome) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_row("policy", policy)
    table.add_row("entries", f"{entries:,}")
    table.add_row("requests", f"{outcome.requests:,}")
    table.add_row("hits", f"{outcome.hits:,}")
    table.add_row("hit ratio", f"{outcome.hit_ratio:.2%}")
    table.add_row("requests per second", f"{outcome.requests_per_second:,.0f}")
    Console().print(table)
