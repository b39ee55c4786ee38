"""What an earlier process has saved is checked like a document: the volume may be anybody's."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from sidecar.catalogue import CATALOGUE
from sidecar.config.knobs import Effective, turned
from sidecar.config.limits import fits
from sidecar.config.memory import most_in_memory
from sidecar.config.values import BaselineConfig, Document
from sidecar.control import usable
from sidecar.model.change import Size, Turn, Value
from sidecar.model.outcome import Outcome
from sidecar.optimizer.baselines import Baselines
from sidecar.optimizer.decisions import SavedState
from sidecar.optimizer.engine import Engine
from sidecar.optimizer.learning import MOST_BUCKETS, Learned
from sidecar.optimizer.overlay import KeptTurn
from sidecar.optimizer.standing import Cooldown
from sidecar.signals.history import History
from tests.optimizer.virtual import EPOCH, SIGNAL, a_document, a_rule

MIB = 1 << 20
CONFIGURED = Effective()
L2 = Size(1000, 100 * MIB)

WRONG: dict[str, list[Value]] = {
    "tiers.l1.size": [Size(0, 1), Size(1, 0), Size(10_001, 10 * MIB), 5, "10MiB"],
    "tiers.l2.size": [Size(1000, 1 << 50), Size(1 << 60, 100 * MIB)],
    "tiers.l3.size": [Size(10_000, 1 << 60), Size(0, 0)],
    "tiers.l1.policy": ["of_another_version", "", 1],
    "tiers.l2.policy": ["LRU", True],
    "tiers.l3.policy": ["sieve", "w_tinylfu"],
    "tiers.l2.compression": ["gzip", 0],
    "promote_after": [0, -5, 2.5, True, 1 << 40, "2", math.nan],
    "default_ttl": [0, -5, -math.inf, math.nan, 1e300, "1h", True],
    "l3.admission": ["never", 2],
    "l3.write_bytes_per_second": [0, -5, 0.5, math.nan, -math.inf, False],
    "background.pace": [0, -5, 1e-300, 1.1, math.inf, math.nan],
    "network.in_flight": ["none", 64],
    "network.keepalive_seconds": [0, -5, 76, math.inf, math.nan, "75s"],
    "gc.threshold": [0, -5, 1, 1 << 31, 30_000.5, math.nan],
    "gc.frozen": [-5, 9, 1.5, "1"],
}
"""Values that no action turns a knob to."""

RIGHT: dict[str, list[Value]] = {
    "tiers.l1.size": [Size(1, 64 << 10), Size(400, 40 * MIB)],
    "tiers.l2.size": [Size(100_000, 100 * MIB)],
    "tiers.l3.size": [Size(40_000, 4 << 30)],
    "tiers.l1.policy": ["sieve", "w_tinylfu"],
    "tiers.l2.policy": ["lfu"],
    "tiers.l3.policy": ["fifo"],
    "tiers.l2.compression": ["none"],
    "promote_after": [1, 5],
    "default_ttl": [14_400.0, 7200, math.inf],
    "l3.admission": ["second"],
    "l3.write_bytes_per_second": [1048576.0, 1e9],
    "background.pace": [0.1, 1],
    "network.in_flight": ["adaptive"],
    "network.keepalive_seconds": [5.0],
    "gc.threshold": [40_000],
    "gc.frozen": [1, 8],
}

OUTCOME = Outcome(
    rule="r",
    type="io",
    action="a",
    knob="l3.write_bytes_per_second",
    from_=math.inf,
    to=1e6,
    outcome="improved",
    effect_ratio=math.inf,
    reason="It was.",
    started_at=EPOCH,
    ended_at=EPOCH + 1,
)


def loaded(
    saved: SavedState,
    memory_limit: int | None = None,
    data_limit: int | None = None,
    document: Document | None = None,
) -> SavedState:
    """What is used of it after it was written and read."""
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(saved), type=SavedState)
    return usable(
        read,
        document or Document.default(),
        CATALOGUE.knobs,
        CATALOGUE.vocabulary,
        lambda cache: fits(cache.tiers, memory_limit, data_limit),
    )


def kept(**values: Value) -> SavedState:
    """Kept turns from the defaults; `__` stands for a dot."""
    turns = {name.replace("__", "."): value for name, value in values.items()}
    knobs = CATALOGUE.knobs
    return SavedState(
        kept={
            name: KeptTurn(value, knobs[name].read(CONFIGURED) if name in knobs else value)
            for name, value in turns.items()
        }
    )


def test_every_knob_is_tried() -> None:
    assert WRONG.keys() == RIGHT.keys() == CATALOGUE.knobs.keys()


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, them in WRONG.items() for v in them])
def test_a_value_that_a_knob_cannot_have_is_dropped_and_logged(name: str, value: Value) -> None:
    """The configured value stays; what else was kept stays too."""
    other = "l3.admission" if name != "l3.admission" else "network.in_flight"
    good = RIGHT[other][0]
    with capture_logs() as logged:
        found = loaded(kept(**{name: value, other: good}))
    assert list(found.kept) == [other]
    [line] = [it for it in logged if it["event"] == "Optimizer state dropped"]
    assert line["what"] == [name]


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, them in RIGHT.items() for v in them])
def test_a_value_that_a_knob_can_have_is_kept(name: str, value: Value) -> None:
    """Every bound of an action is within that of its knob."""
    with capture_logs() as logged:
        found = loaded(kept(**{name: value}))
    assert found.kept[name].value == value
    assert logged == []
    turned(CATALOGUE.knobs, CONFIGURED, Turn(name, value))


def test_an_unknown_knob_is_dropped_and_logged() -> None:
    """As after a plugin was removed; a name of any length takes little of the log."""
    with capture_logs() as logged:
        assert loaded(kept(**{"x" * 10_000: 1})).kept == {}
    assert len(str(logged)) < 500


def test_the_tiers_fit_the_limits_with_what_is_kept() -> None:
    """Together, not only each: in memory, and on the volume."""
    both = kept(tiers__l1__size=Size(100, 60 * MIB), tiers__l2__size=Size(1000, 150 * MIB))
    limit = 512 * MIB
    assert most_in_memory(limit, with_l3=True) >= 210 * MIB
    assert list(loaded(both, memory_limit=limit).kept) == ["tiers.l1.size", "tiers.l2.size"]
    limit = 320 * MIB
    assert 160 * MIB <= most_in_memory(limit, with_l3=True) < 210 * MIB
    assert list(loaded(both, memory_limit=limit).kept) == ["tiers.l1.size"]
    disk = kept(tiers__l3__size=Size(10_000, 2 << 30))
    assert loaded(disk, data_limit=(4 << 30) + 64 * MIB).kept
    assert not loaded(disk, data_limit=4 << 30).kept


def test_what_was_kept_for_another_configuration_is_no_damage() -> None:
    """It is not restored, and not logged as dropped."""
    other = SavedState(kept={"promote_after": KeptTurn(3, 7)})
    with capture_logs() as logged:
        assert loaded(other).kept == {}
    assert logged == []


@pytest.mark.parametrize(
    "changes",
    [
        {"rule": "r" * 1001},
        {"reason": "x" * 100_000},
        {"to": "x" * 1001},
        {"rule": "r\x1b[31m"},
        {"reason": "\x1b]0;title\x07"},
        {"signal": "a\nb"},
        {"from_": "\u202e1"},
        {"knob": "\x00"},
        {"before": math.nan},
        {"effect_ratio": math.nan},
        {"started_at": math.nan},
        {"started_at": -5.0},
        {"ended_at": 1e300},
        {"ended_at": math.inf},
    ],
)
def test_an_outcome_that_cannot_be_shown_is_dropped(changes: dict[str, Any]) -> None:
    """The others stay."""
    odd = msgspec.structs.replace(OUTCOME, **changes)
    assert loaded(SavedState(outcomes=[OUTCOME, odd])).outcomes == [OUTCOME]


def test_a_cooldown_ends() -> None:
    """Whatever its scale and its end are said to be."""
    good = Cooldown(EPOCH + 60, 4)
    odd = [
        Cooldown(until, scale)
        for until, scale in (
            (math.nan, 1),
            (math.inf, 1),
            (-math.inf, 1),
            (EPOCH, 0),
            (EPOCH, -5),
            (EPOCH, 9),
            (EPOCH, 1 << 60),
        )
    ]
    rules = {f"rule{n}": cooldown for n, cooldown in enumerate([good, *odd])}
    assert loaded(SavedState(cooldowns=rules)).cooldowns == {"rule0": good}
    document = a_document(a_rule("rule0", cooldown_seconds=300.0))
    saved = SavedState(cooldowns={"rule0": Cooldown(1e300, 8)})
    engine = Engine(document, loaded(saved, document=document), 0.0, EPOCH, CATALOGUE.knobs)
    assert engine.standings["rule0"].cooling_until <= 2 * 8 * 300.0


@pytest.mark.parametrize(
    "odd",
    [
        Learned({1: 1.0}, 0.0),
        Learned({1: 1.0}, -5.0),
        Learned({1: 1.0}, math.nan),
        Learned({1: 1.0}, 3600.0, math.nan, EPOCH),
        Learned({1: 1.0}, 3600.0, EPOCH, math.inf),
        Learned({1: 1.0}, 3600.0, EPOCH, 0.0),
        Learned({1: 1.0}, 3600.0, -1e308, 1e308),
        Learned({1 << 40: 1.0}, 3600.0, EPOCH, EPOCH),
        Learned({-(1 << 40): 1.0}, 3600.0, EPOCH, EPOCH),
        Learned({1: math.nan}, 3600.0, EPOCH, EPOCH),
        Learned({1: -5.0}, 3600.0, EPOCH, EPOCH),
        Learned({1: 1e308, 2: 1e308}, 3600.0, EPOCH, EPOCH),
    ],
    ids=str,
)
def test_what_nothing_can_have_learned_is_dropped(odd: Learned) -> None:
    """It would fail each time that the signal is observed."""
    good = Learned({1: 1.0}, 3600.0, EPOCH, EPOCH)
    learned = loaded(SavedState(learned={SIGNAL: odd, "http.get_p99_seconds": good})).learned
    assert learned == {"http.get_p99_seconds": good}


@pytest.mark.parametrize(
    "extreme",
    [
        Learned({MOST_BUCKETS: 1e200, -MOST_BUCKETS: 1e200, 0: 0.0}, 5e-324, EPOCH, EPOCH),
        Learned({1: 5e-324}, 1e-3, 0.0, 1e308),
        Learned({1: 1.0}, math.inf, 0.0, EPOCH * 100),
        Learned({}, 3600.0, 0.0, 0.0),
    ],
    ids=str,
)
def test_whatever_passes_can_be_calculated_with(extreme: Learned) -> None:
    """Observed, weighed and asked for its median, now and after a change of the half-life."""
    found = loaded(SavedState(learned={SIGNAL: extreme})).learned
    assert found == {SIGNAL: extreme}
    baselines, history = Baselines(found), History(CATALOGUE.signals)
    for half_life in (3600.0, math.inf, 1.0):
        config = BaselineConfig(
            signal=SIGNAL, better="lower", learn=True, half_life_seconds=half_life
        )
        baselines.configure((config,))
        for second in range(30):
            history.push(float(second), {SIGNAL: 0.25})
            baselines.observe(history, float(second), EPOCH + second)


def test_more_buckets_than_there_can_be_are_not_read() -> None:
    data = msgspec.msgpack.encode(
        SavedState(learned={SIGNAL: Learned(dict.fromkeys(range(6000), 1.0))})
    )
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(data, type=SavedState)


def test_what_an_engine_saves_is_taken_whole() -> None:
    """Nothing is dropped of the state that a process leaves after it has learned and turned."""
    document = replace(Document.default(), optimizer=a_document(a_rule("r")).optimizer)
    saved = SavedState(
        kept=kept(promote_after=3).kept,
        outcomes=[OUTCOME],
        cooldowns={"r": Cooldown(EPOCH + 10, 8)},
    )
    engine = Engine(document, loaded(saved), 0.0, EPOCH, CATALOGUE.knobs)
    with capture_logs() as logged:
        again = loaded(engine.memory(1.0, EPOCH + 1))
    assert logged == []
    assert again.kept == saved.kept
    assert again.outcomes == saved.outcomes
    assert again.cooldowns["r"].scale == 8
