"""Whatever stands in the place of a file of the sidecar, it starts, serves, and stops.

Each name gets a few of the damages here; `python -m tests.hostile` tries all on all.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile.volume import DAMAGES, Volume


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Volume:
    """A used folder; it and the names found are made once."""
    return Volume(tmp_path_factory.mktemp("volume"))


def attacks(volume: Volume, part: int) -> Iterator[tuple[str, str]]:
    """A part of the names, each with the next damage that it can have."""
    for number in range(part, len(volume.names), len(DAMAGES)):
        name = volume.names[number]
        first = number + number // len(DAMAGES) * 5
        rotated = [DAMAGES[(first + step) % len(DAMAGES)] for step in range(len(DAMAGES))]
        yield name, next(damage for damage in rotated if volume.can_be(name, damage))


def test_the_names_are_those_of_a_used_folder(volume: Volume) -> None:
    """With those that are there for a moment, so that a new file is attacked too."""
    assert {"configuration.state", "optimizer.state", "hot.keys", "l3"} <= set(volume.names)
    assert {"configuration.new", "optimizer.new", "hot.new"} <= set(volume.names)
    assert {"l3/CURRENT", "l3/LOCK", "l3/witness"} <= set(volume.names)
    parts = [attacks(volume, part) for part in range(len(DAMAGES))]
    assert {name for part in parts for name, _ in part} == set(volume.names)


def test_a_folder_that_cannot_be_read_changes_nothing_either(volume: Volume) -> None:
    """The sidecar starts without L3; the rights of the whole folder are no reason not to."""
    volume.attack(".", "mode 000")


@pytest.mark.parametrize("part", range(len(DAMAGES)))
def test_a_hostile_volume_changes_nothing_else(volume: Volume, part: int) -> None:
    """It is ready, answers, ends with status 0, touches nothing elsewhere, needs no more memory,
    and gives no value that was deleted or replaced; so it does when it is started again.
    """
    for name, damage in attacks(volume, part):
        try:
            volume.attack(name, damage)
        except AssertionError as error:
            raise AssertionError(f"{name}: {damage}") from error
