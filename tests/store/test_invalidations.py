"""Which versions are invalidated, by any number of scopes in each other."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.invalidations import Invalidations
from sidecar.store.store import MAX_INVALIDATIONS


class Counted(bytes):
    """A key that counts what is done with it."""

    uses = 0

    def __lt__(self, other: bytes) -> bool:
        Counted.uses += 1
        return super().__lt__(other)


scopes = st.text("\x00a\xfe\xff", max_size=4).map(lambda text: text.encode("latin-1"))
seqs = st.integers(1, 30)


@given(
    st.lists(st.tuples(scopes, seqs) | seqs, max_size=40),
    st.lists(st.tuples(scopes, st.integers(0, 31)), min_size=1, max_size=40),
)
def test_a_scope_covers_what_begins_with_it(
    changes: list[tuple[bytes, int] | int], looked_up: list[tuple[bytes, int]]
) -> None:
    """As if every scope were compared with every key, in whatever order they are added, and
    forgotten up to a number.
    """
    invalidations, added = Invalidations(), list[tuple[bytes, int]]()
    kept: dict[bytes, int] = {}
    for change in changes:
        if isinstance(change, int):
            gone = {scope for scope, seq in kept.items() if seq <= change}
            assert set(invalidations.forget(change)) == gone
            kept = {scope: seq for scope, seq in kept.items() if seq > change}
            added = [each for each in added if each[1] > change]
            continue
        scope, seq = change
        is_included = any(scope.startswith(other) and seq < kept[other] for other in kept)
        dropped = invalidations.add(scope, seq)
        included = {other for other in kept if other.startswith(scope) and kept[other] <= seq}
        assert set(dropped) == (set() if is_included else included - {scope})
        if not is_included:
            kept = {other: kept[other] for other in kept if other not in included} | {scope: seq}
        added.append(change)
        assert (len(invalidations), invalidations.any) == (len(kept), bool(kept))
        assert invalidations.size_bytes == sum(map(len, kept))
        assert invalidations.newest == max(kept.values(), default=0)
    copy = invalidations.copy()
    for key, seq in looked_up:
        covered = any(key.startswith(scope) and seq < later for scope, later in added)
        assert invalidations.covers(key, seq) is copy.covers(key, seq) is covered


def test_a_copy_stays_as_it_is() -> None:
    invalidations = Invalidations()
    invalidations.add(b"a", 5)
    copy = invalidations.copy()
    invalidations.forget(5)
    invalidations.add(b"b", 6)
    assert copy.covers(b"a", 4)
    assert not copy.covers(b"b", 4)
    assert (len(copy), copy.any, invalidations.covers(b"a", 4)) == (1, True, False)


@pytest.mark.parametrize("are_many", [False, True], ids=["of one length", "of many lengths"])
def test_many_scopes_cost_a_read_no_more_than_a_few(are_many: bool) -> None:
    """Also the first one after each new scope: an application may invalidate as often as it
    reads. Randomly drawn, with a seed.
    """
    rng = Random(7)
    invalidations = Invalidations()
    for number in range(MAX_INVALIDATIONS):
        rest = b"z" * rng.randint(0, 100) if are_many else b""
        scope = b"namespace/%08x/" % rng.getrandbits(32) + rest
        invalidations.add(scope, number + 1)
        Counted.uses = 0
        assert invalidations.covers(Counted(scope + b"key"), number)
        assert Counted.uses <= MAX_INVALIDATIONS.bit_length() + 1


def test_scopes_in_each_other_cost_a_read_no_more_than_a_few() -> None:
    """Whatever their lengths: each may be that of another prefix of the key."""
    invalidations = Invalidations()
    for length in range(1, 1024):
        invalidations.add(b"namespace/" + b"z" * length, length)
    for key in (b"z" * 1000, b"z" * 500 + b"a", b"a" * 1000):
        Counted.uses = 0
        invalidations.covers(Counted(b"namespace/" + key), 1)
        assert Counted.uses < 16
