"""The optimizer's log: one event for each decision, in both formats, with the same fields."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sidecar.config.knobs import Effective
from sidecar.config.values import MIB, Document
from sidecar.telemetry import logs
from tests.optimizer.controlled import Controlled
from tests.optimizer.virtual import SIGNAL, Readings, a_document, a_rule

MEASURE = a_rule(
    "memory_cleanup",
    type="memory",
    when="memory.utilization > 0.85",
    cooldown_seconds=30.0,
    action="shrink_tier",
    options={"tier": "l2"},
    expect=None,
)


def pressed_at_first(now: float, _effective: Effective) -> Mapping[str, float]:
    return {"memory.utilization": 0.91 if now < 20 else 0.4}


def worth(effect: float) -> Readings:
    """A world in which each step of `promote_after` changes the signal by `effect`."""

    def readings(_now: float, effective: Effective) -> Mapping[str, float]:
        return {SIGNAL: 100.0 + effect * (effective.cache.promote_after - 2)}

    return readings


def events(
    tmp_path: Path, document: Document, readings: Readings, seconds: float
) -> list[dict[str, Any]]:
    """The JSON events in this time."""
    with io.StringIO() as stream:
        handle = logs.configure("json", "info", stream)
        Controlled(document, readings, tmp_path).run(seconds)
        handle.close()
        return [json.loads(line) for line in stream.getvalue().splitlines()]


def tree(tmp_path: Path, document: Document, readings: Readings, seconds: float) -> list[str]:
    """The same events as trees, without timestamps."""
    with io.StringIO() as stream:
        handle = logs.configure("tree", "info", stream)
        Controlled(document, readings, tmp_path).run(seconds)
        handle.close()
        found = re.split(r"^\[[^]]*\] ", stream.getvalue(), flags=re.MULTILINE)
    return found[1:]


def test_a_measure_is_told_from_its_rule_to_its_release(tmp_path: Path) -> None:
    """Every step is an event, and none is repeated."""
    found = events(tmp_path, a_document(MEASURE), pressed_at_first, 120)
    assert [event["event"] for event in found] == [
        "Optimization rule added",
        "Rule fired",
        "Change made",
        "Change applied",
        "Measure released",
    ]
    assert {event["logger"] for event in found} == {"sidecar.optimizer"}
    added, fired, made, applied, released = found
    assert added["rule_name"] == "memory_cleanup"
    assert added["optimization_type"] == "memory"
    assert (fired["rule"], fired["type"]) == ("memory_cleanup", "memory")
    assert fired["condition"] == "memory.utilization > 0.85"
    assert fired["values"] == {"memory.utilization": 0.91}
    assert made["from"] == {"max_entries": 1000, "max_bytes": 100 * MIB}
    assert made["to"] == applied["to"] == {"max_entries": 900, "max_bytes": 90 * MIB}
    assert applied["outcome"] == "applied"
    assert released["knob"] == "tiers.l2.size"


def test_a_tree_shows_values_and_sizes_as_branches(tmp_path: Path) -> None:
    """The format is that of the documented example."""
    added, fired, made, *_ = tree(tmp_path, a_document(MEASURE), pressed_at_first, 120)
    assert added == (
        "INFO | sidecar.optimizer | Optimization rule added\n"
        "├── rule_name: memory_cleanup\n"
        "├── optimization_type: memory\n"
        "└── level: balanced\n"
    )
    assert fired == (
        "INFO | sidecar.optimizer | Rule fired\n"
        "├── rule: memory_cleanup\n"
        "├── type: memory\n"
        "├── condition: memory.utilization > 0.85\n"
        "└── values:\n"
        "    └── memory.utilization: 0.91\n"
    )
    assert made == (
        "INFO | sidecar.optimizer | Change made\n"
        "├── rule: memory_cleanup\n"
        "├── type: memory\n"
        "├── knob: tiers.l2.size\n"
        "├── from:\n"
        "│   ├── max_entries: 1000\n"
        "│   └── max_bytes: 104857600\n"
        "└── to:\n"
        "    ├── max_entries: 900\n"
        "    └── max_bytes: 94371840\n"
    )


def test_both_formats_tell_the_same(tmp_path: Path) -> None:
    """Event by event, field by field."""
    arguments = (tmp_path, a_document(MEASURE), pressed_at_first, 120)
    header = {"timestamp", "level", "logger", "event"}
    as_json = [(each["event"], each.keys() - header) for each in events(*arguments)]
    as_tree = []
    for text in tree(*arguments):
        first, *rest = text.splitlines()
        fields = {match[1] for line in rest if (match := re.match(r"[├└]── (\w+):", line))}
        as_tree.append(
            (first.split(" | ")[2], {"field_level" if f == "level" else f for f in fields})
        )
    assert as_json == as_tree


@pytest.mark.parametrize(
    ("effect", "ends"),
    [
        (5.0, ["Change improved"]),
        (-5.0, ["Change regressed", "Change rolled back"]),
        (0.0, ["Change neutral", "Change rolled back"]),
    ],
)
def test_a_trial_ends_with_its_figures(tmp_path: Path, effect: float, ends: list[str]) -> None:
    """The event has the whole record; a rollback has from, to and a reason."""
    found = events(tmp_path, a_document(a_rule(cooldown_seconds=9000.0)), worth(effect), 2000)
    assert [event["event"] for event in found] == [
        "Optimization rule added",
        "Rule fired",
        "Change made",
        *ends,
    ]
    concluded = found[3]
    assert concluded["before"] == 100.0
    assert concluded["after"] == 100.0 + effect
    assert concluded["noise"] == 0.0
    assert concluded["effect_ratio"] == effect / 100
    assert concluded["reason"].endswith(".")
    if len(ends) > 1:
        assert (found[4]["from"], found[4]["to"]) == (3, 2)
        assert found[4]["reason"] == concluded["reason"]


def test_a_dry_run_says_that_nothing_was_changed(tmp_path: Path) -> None:
    """It cannot be mistaken for a change."""
    found = events(tmp_path, a_document(MEASURE, dry_run=True), pressed_at_first, 20)
    assert [event["event"] for event in found] == [
        "Optimization rule added",
        "Rule fired",
        "Change not made, since dry_run is on",
    ]


async def test_a_deed_is_told_with_what_it_gave(tmp_path: Path) -> None:
    """The figures are logged once it is done."""
    rule = a_rule(
        "release", type="memory", when=f"{SIGNAL} > 0.0", action="release_memory", expect=None
    )
    with io.StringIO() as stream:
        handle = logs.configure("json", "info", stream)
        controlled = Controlled(a_document(rule), lambda *_: {SIGNAL: 1.0}, tmp_path)
        controlled.run(2)
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
        handle.close()
        found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["event"] for event in found][1:] == [
        "Rule fired",
        "Change made",
        "One-shot change made",
    ]
    assert found[2]["deed"] == "release_memory"
    assert found[3]["rule"] == "release"
    assert found[3]["freed_bytes"] == 4096


def test_a_new_document_tells_which_rules_came_and_went(tmp_path: Path) -> None:
    """An unchanged rule is not logged."""
    with io.StringIO() as stream:
        handle = logs.configure("json", "info", stream)
        controlled = Controlled(a_document(MEASURE, a_rule("old")), pressed_at_first, tmp_path)
        controlled.control.configure(a_document(MEASURE, a_rule("new")))
        handle.close()
        found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(event["event"], event["rule_name"]) for event in found] == [
        ("Optimization rule added", "memory_cleanup"),
        ("Optimization rule added", "old"),
        ("Optimization rule added", "new"),
        ("Optimization rule removed", "old"),
    ]
