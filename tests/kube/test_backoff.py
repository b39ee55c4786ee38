"""Back-off: how waits grow, when they are reset, and the load on a server."""

from __future__ import annotations

import random

from sidecar.kube.backoff import FIRST_SECONDS, MOST_SECONDS, QUIET_SECONDS, Backoff
from tests.contracts.pages import read
from tests.kube.simulation import OUTAGES_SECONDS, PODS, SEED, simulate


class Largest(random.Random):
    """Draws the ceiling itself, so that it is visible."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def test_the_ceiling_doubles_up_to_the_most() -> None:
    backoff, now, waits = Backoff(Largest()), 0.0, []
    for _ in range(8):
        waits.append(backoff.wait_seconds(now, shared=False))
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, MOST_SECONDS, MOST_SECONDS]


def test_after_a_while_of_quiet_it_begins_anew() -> None:
    """The time counts from the end of the wait: a long wait is not quiet."""
    backoff, now = Backoff(Largest()), 0.0
    for _ in range(10):
        now += backoff.wait_seconds(now, shared=False)
    assert backoff.wait_seconds(now + QUIET_SECONDS - 1, shared=False) == MOST_SECONDS
    now += QUIET_SECONDS - 1 + MOST_SECONDS
    assert backoff.wait_seconds(now + QUIET_SECONDS, shared=False) == FIRST_SECONDS


def test_what_all_notice_at_once_is_spread_at_once() -> None:
    assert Backoff(Largest()).wait_seconds(0.0, shared=True) == MOST_SECONDS


def test_what_the_server_asks_for_is_waited_and_the_jitter_on_top() -> None:
    waits = [
        Backoff(random.Random(seed)).wait_seconds(0.0, shared=False, at_least=7.0)
        for seed in range(100)
    ]
    assert all(7 <= wait <= 7 + FIRST_SECONDS for wait in waits)
    assert len(set(waits)) > 90


def test_the_same_seed_gives_the_same_waits() -> None:
    one, other = Backoff(random.Random(7)), Backoff(random.Random(7))
    for now in range(0, 500, 50):
        assert one.wait_seconds(now, shared=False) == other.wait_seconds(now, shared=False)


def test_thousands_of_pods_come_back_over_half_a_minute() -> None:
    """As documented, whatever the length of the outage; no second has a twentieth of them."""
    returns = [simulate(PODS, outage, SEED) for outage in OUTAGES_SECONDS]
    assert all(len(after.seconds) == PODS for after in returns)
    spreads = [after.spread_seconds for after in returns]
    busiest = max(after.busiest_second for after in returns)
    assert min(spreads) >= 30
    assert busiest <= PODS / 20
    said = " ".join(read("docs/configuration.md").split())
    assert f"of {PODS:,} pods whose API server comes back, 95% reconnect within" in said
    assert f"{min(spreads):.0f} to {max(spreads):.0f} seconds, at most {busiest} of them" in said
    assert f"a random delay of up to {MOST_SECONDS:.0f} seconds" in said
