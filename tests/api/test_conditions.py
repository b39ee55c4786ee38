"""Conditions as values: their meaning, independent of the protocol."""

from __future__ import annotations

import pytest

from sidecar.api.conditions import Condition, Versions
from sidecar.model.entry import Entry

ANY, SEVENTH = Versions(any=True), Versions(frozenset({7}))


def an_entry(seq: int) -> Entry:
    return Entry(
        key=b"ns/key",
        value=b"",
        content_type="text/plain",
        seq=seq,
        times=complex(0.0, 60.0),
    )


@pytest.mark.parametrize(
    ("condition", "absent", "seventh", "eighth"),
    [
        (Condition(), True, True, True),
        (Condition(only_if=ANY), False, True, True),
        (Condition(unless=ANY), True, False, False),
        (Condition(only_if=SEVENTH), False, True, False),
        (Condition(unless=SEVENTH), True, False, True),
        (Condition(only_if=ANY, unless=SEVENTH), False, False, True),
        (Condition(only_if=Versions()), False, False, False),
    ],
)
def test_a_condition_is_about_the_version_in_force(
    condition: Condition, absent: bool, seventh: bool, eighth: bool
) -> None:
    """Whether it holds without an entry, and for two versions of one."""
    found = [condition.holds(entry) for entry in (None, an_entry(7), an_entry(8))]
    assert found == [absent, seventh, eighth]
