"""Each sampled policy evicts the right entries, and comes near to an exact order."""

from __future__ import annotations

import random
from bisect import bisect
from collections import OrderedDict
from itertools import accumulate
from pathlib import Path

import pytest

from sidecar.l3.batch import LOT_SHARE
from tests.l3.tier import Tier

HELD = 1000
SEED = 20240607


def pushed_out(folder: Path, policy: str, count: int) -> set[int]:
    """Fill a tier, give the entries different histories, evict some; returns their numbers.

    They were written in the order of their numbers. Odd ones were used ten times, long ago;
    multiples of three were used once, recently; multiples of five expire soon.
    """
    tier = Tier(folder, policy=policy, max_entries=HELD, seed=SEED)
    numbers = range(HELD)
    writes = [tier.a_put(b"%d" % n, b"", 1000 if n % 5 == 0 else 10_000) for n in numbers]
    for start in range(0, HELD, 200):
        tier.write(*writes[start : start + 200])
    tier.now += 10
    tier.write(touches={b"%d" % n: 10 for n in numbers if n % 2})
    tier.now += 10
    tier.write(touches={b"%d" % n: 1 for n in numbers if n % 3 == 0})
    tier.now += 10
    gone: list[bytes] = []
    for n in range(0, count, 20):
        gone += tier.write(*(tier.a_put(b"new%d" % m, b"", 10_000) for m in range(n, n + 20)))[1]
    tier.close()
    assert count <= len(gone) <= count + HELD * LOT_SHARE
    return {int(key) for key in gone if not key.startswith(b"new")}


@pytest.mark.parametrize(
    ("policy", "spared"),
    [
        ("lru", [n for n in range(HELD) if n % 2 or n % 3 == 0]),
        ("lfu", [n for n in range(HELD) if n % 2]),
        ("fifo", list(range(HELD // 2, HELD))),
        ("ttl", [n for n in range(HELD) if n % 5]),
    ],
)
def test_a_policy_spares_whom_it_should(tmp_path: Path, policy: str, spared: list[int]) -> None:
    """With samples, at most about one in ten evicted entries should have stayed."""
    gone = pushed_out(tmp_path / "l3", policy, 60)
    assert len(gone & set(spared)) <= 6, f"seed {SEED}"


def test_random_spares_nobody(tmp_path: Path) -> None:
    """Used or not, old or new, the shares of evicted entries are similar."""
    gone = pushed_out(tmp_path / "l3", "random", 300)
    for group in ([n for n in range(HELD) if n % 2], list(range(HELD // 2))):
        assert 0.35 < len(gone & set(group)) / len(gone) < 0.65


def test_sampled_lru_comes_near_exact_lru(tmp_path: Path) -> None:
    """Its hit ratio is within 1.5 points, on requests by Zipf's law (1.0, 20,000 keys)."""
    rng = random.Random(SEED)
    sums = list(accumulate(1 / rank for rank in range(1, 20_001)))
    trace = [b"%d" % bisect(sums, rng.random() * sums[-1]) for _ in range(40_000)]
    capacity, turn = 1000, 8
    tier = Tier(tmp_path / "l3", max_entries=capacity, seed=SEED)
    exact: OrderedDict[bytes, None] = OrderedDict()
    sampled_hits = exact_hits = 0
    for start in range(0, len(trace), turn):
        asked = list(dict.fromkeys(trace[start : start + turn]))
        found = dict(zip(asked, tier.engine.read(asked), strict=True))
        hits = {key: 1 for key in asked if found[key] is not None}
        sampled_hits += len(hits)
        tier.now += 1
        tier.write(*(tier.a_put(key, b"") for key in asked if key not in hits), touches=hits)
        for key in asked:
            if key in exact:
                exact_hits += 1
                exact.move_to_end(key)
            else:
                exact[key] = None
                if len(exact) > capacity:
                    exact.popitem(last=False)
    tier.close()
    sampled, best = sampled_hits / len(trace), exact_hits / len(trace)
    assert abs(sampled - best) < 0.015, f"seed {SEED}: sampled {sampled:.4f}, exact {best:.4f}"
