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

from sidecar.cli import traces
from sidecar.policies.protocol import NEVER, Policy
from sidecar.policies.registry import POLICIES, UnknownPolicyError, create
from sidecar.policies.w_tinylfu import WTinyLfu

_BATCH = 65_536


@click.command()
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("--policy", required=True, help=f"One of {', '.join(sorted(POLICIES))}.")
@click.option("--entries", type=click.IntRange(min=1), required=True, help="Capacity in entries.")
@click.option(
    "--window",
    type=click.FloatRange(0, 1),
    help=f"{WTinyLfu.name} only: the window's share of the entries; 0.01 if not given.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seeds all chance.")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many requests.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def simulate(
    *,
    trace: Path,
    policy: str,
    entries: int,
    window: float | None,
    seed: int,
    limit: int | None,
    as_json: bool,
) -> None:
    """Say what hit ratio a policy would have on a trace.

    TRACE has one request a line, `key` or `key,size`, and may end in .gz. Sizes are ignored, a miss
    inserts, nothing expires, and the cold start is counted. The rate is that of the policy and of
    asking which keys are there; reading the file is not part of it.
    """
    options = {} if window is None else {"window": window}
    if options and policy != WTinyLfu.name:
        raise click.ClickException(f"--window is an option of {WTinyLfu.name}, not of {policy}")
    # Repeatable chance is what a simulation wants; nothing here is a secret.
    rng = random.Random(seed)  # noqa: S311
    try:
        keys = (request.key for request in islice(traces.read(trace), limit))
        outcome = run(create(policy, entries, rng=rng, **options), entries, keys)
    except (UnknownPolicyError, traces.TraceError) as error:
        raise click.ClickException(str(error)) from error
    if not outcome.requests:
        raise click.ClickException(f"{trace}: no requests")
    if as_json:
        click.echo(json.dumps(asdict(outcome)))
    else:
        _print(policy, entries, outcome)


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
