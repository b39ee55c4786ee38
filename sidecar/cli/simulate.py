"""`cache-sidecar simulate`: the hit ratio of a policy on a trace.

One policy, bounded by entries; there is no server, no tier and no size. A miss inserts the key and
evicts what the policy chooses. The cold start is included.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from sidecar.catalogue import Catalogue
from sidecar.cli import traces
from sidecar.cli.known import catalogue_of, pass_catalogue
from sidecar.cli.values import AnyPath
from sidecar.config.vocabulary import Vocabulary
from sidecar.model.option import Option
from sidecar.policies.protocol import Item, Policy
from sidecar.policies.registry import UnknownPolicyError

_BATCH = 65_536


class _Simulate(click.Command):
    """Accepts the catalogue's policies, and has an option for each of their options."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        vocabulary = catalogue_of(ctx).vocabulary
        names = ", ".join(sorted(vocabulary.policies))
        policy = click.Option(["--policy"], required=True, help=f"One of {names}.")
        return [*super().get_params(ctx), policy, *_policy_options(vocabulary)]


@click.command(cls=_Simulate)
@click.argument("trace", type=AnyPath())
@click.option("--entries", type=click.IntRange(min=1), required=True, help="Capacity in entries.")
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after this many requests.")
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
    """Print the hit ratio of a policy on a trace.

    TRACE has one request per line, `key` or `key,size`, and may be gzipped (.gz). Sizes are
    ignored, a miss inserts the key, entries do not expire, and the cold start is included. The rate
    covers the policy and the lookups, not reading the file.
    """
    options = {name: value for name, value in stated.items() if value is not None}
    _refuse_foreign(catalogue.vocabulary, policy, options)
    # A simulation needs reproducible random numbers, not secure ones.
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


def _policy_options(vocabulary: Vocabulary) -> Iterator[click.Parameter]:
    for name, (option, owners) in vocabulary.policy_options.items():
        told = f"{', '.join(owners)} only: {option.meaning}; {option.default} by default."
        yield click.Option([f"--{name}"], type=_bounds(option), help=told)


def _bounds(option: Option) -> click.ParamType[Any]:
    """Both bounds included, unlike in the configuration: the extremes are worth a simulation."""
    if isinstance(option.default, int):
        return click.IntRange(math.ceil(option.above), math.floor(option.below))
    return click.FloatRange(option.above, option.below)


def _refuse_foreign(vocabulary: Vocabulary, policy: str, options: Iterable[str]) -> None:
    """Raises ClickException for an option of another policy."""
    for name in options:
        _, owners = vocabulary.policy_options[name]
        if policy in vocabulary.policies and policy not in owners:
            told = f"--{name} is an option of {', '.join(owners)}, not of {policy}"
            raise click.ClickException(told)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a simulation; `hit_ratio` is from 0 to 1."""

    requests: int
    hits: int
    hit_ratio: float
    requests_per_second: float


def run(policy: Policy[Item], entries: int, keys: Iterable[bytes]) -> Outcome:
    """Send `keys` through `policy`, which holds at most `entries` of them.

    Only the policy, which looks the keys up too, is timed, in batches, not the production of
    `keys`.
    """
    get, hit, insert, evict = policy.get, policy.hit, policy.insert, policy.evict
    held = requests = misses = 0
    seconds = 0.0
    for batch in _batches(keys):
        started = perf_counter()
        for key in batch:
            node = get(key)
            if node is not None:
                hit(node)
                continue
            misses += 1
            insert(Item(key))
            if held < entries:
                held += 1
            else:
                evict()
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
