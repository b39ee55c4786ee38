"""Two minutes of `make chaos`, and the model that it judges by."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.model import Key
from tests.chaos.run import run

SECONDS = 100.0
SEED = 20261202


def test_nothing_that_happens_to_it_makes_it_lie(tmp_path: Path) -> None:
    """No older value, nothing durable lost, no hang, and L3 is back after each fault."""
    seen = run(tmp_path, SECONDS, SEED)
    assert seen.violations == [], str(seen)
    assert seen.operations > 1000
    assert seen.commands > 1000
    assert len(seen.faults) >= 3


def test_there_are_faults_of_many_kinds() -> None:
    assert len(FAULTS) > 40
    assert sum(keeps for _, keeps in FAULTS.values()) > 20


@pytest.mark.parametrize("answered", [True, False])
def test_the_model_knows_what_may_be_read(*, answered: bool) -> None:
    """A write without an answer may have happened, and may not."""
    key = Key()
    key.put(b"old", answered=True, durable=True)
    assert key.durable
    key.put(b"new", answered=answered, durable=False)
    assert not key.durable
    assert (key.wrong(b"old") is None) == (not answered)
    assert key.wrong(b"new") is None
    assert key.wrong(None) is None
    key.delete(answered=answered)
    assert (key.wrong(b"new") is None) == (not answered)
    assert key.wrong(b"another") is not None
