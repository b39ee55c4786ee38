"""Which versions are invalidated, by any number of scopes in each other."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from sidecar.model import invalidations as invalidations_module
from sidecar.model.invalidations import FEW_LENGTHS, Invalidations
from sidecar.store.store import MAX_INVALIDATIONS

LETTERS = b"\x00a\xfe\xff"
"""The last one has no next one, and begins no UTF-8."""


class Counted(bytes):
    """A key that counts what is done with it."""

    uses = 0

    def __lt__(self, other: bytes) -> bool:
        Counted.uses += 1
        return super().__lt__(other)

    def __getitem__(self, index: Any) -> Any:
        Counted.uses += 1
        return super().__getitem__(index)

    def startswith(self, *arguments: Any) -> bool:
        Counted.uses += 1
        return super().startswith(*arguments)


@pytest.mark.parametrize("few", [0, 2, FEW_LENGTHS])
@pytest.mark.parametrize("seed", range(20))
def test_a_scope_covers_what_begins_with_it(
    seed: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if every scope were compared with every key, whatever is added and forgotten."""
    monkeypatch.setattr(invalidations_module, "FEW_LENGTHS", few)
    rng = Random(seed)

    def text(longest: int) -> bytes:
        return bytes(rng.choices(LETTERS, k=rng.randint(0, longest)))

    invalidations = Invalidations()
    scopes: dict[bytes, int] = {}
    for _ in range(100):
        scope, seq = text(4), rng.randint(1, 30)
        invalidations.add(scope, seq)
        scopes[scope] = max(seq, scopes.get(scope, 0))
        if rng.random() < 0.1:
            done = rng.randint(1, 30)
            assert set(invalidations.forget(done)) == {s for s in scopes if scopes[s] <= done}
            scopes = {scope: seq for scope, seq in scopes.items() if seq > done}
        assert (len(invalidations), invalidations.any) == (len(scopes), bool(scopes))
        for _ in range(20):
            key, seq = text(6), rng.randint(0, 31)
            covered = any(key.startswith(scope) and seq < scopes[scope] for scope in scopes)
            assert invalidations.covers(key, seq) is covered


def test_many_scopes_cost_a_read_no_more_than_a_few() -> None:
    """Whatever their lengths: each may be that of another prefix of the key."""
    invalidations = Invalidations()
    for length in range(1, MAX_INVALIDATIONS):
        invalidations.add(b"namespace/" + b"z" * length, length)
    for key in (b"z" * 1000, b"z" * 500 + b"a", b"a" * 1000):
        invalidations.covers(key, 1)
        Counted.uses = 0
        invalidations.covers(Counted(b"namespace/" + key), 1)
        assert Counted.uses < 16


def test_a_new_scope_costs_the_next_read_nothing_among_few_lengths() -> None:
    """An application may invalidate as often as it reads."""
    invalidations = Invalidations()
    for number in range(MAX_INVALIDATIONS):
        invalidations.add(b"namespace/%04d/" % number, number)
        Counted.uses = 0
        invalidations.covers(Counted(b"namespace/0000/key"), number)
        assert Counted.uses <= FEW_LENGTHS
    assert invalidations._starts is None
