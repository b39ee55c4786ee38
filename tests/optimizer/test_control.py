"""The control loop when a decision can't be carried out: the change is undone, and the loop goes
on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from sidecar.config.knobs import Effective
from sidecar.config.values import CacheConfig
from sidecar.control import FILE, Figures, remembered
from sidecar.model.change import OneShot
from tests.optimizer.controlled import Controlled
from tests.optimizer.virtual import a_document, a_rule

PRESSED = "memory.utilization > 0.85"
SHRINK = a_rule(
    "shrink", when=PRESSED, type="memory", action="shrink_tier", options={"tier": "l2"}, expect=None
)
FREE = a_rule("free", when=PRESSED, type="memory", action="release_memory", options={}, expect=None)


def pressed(_now: float, _effective: Effective) -> Mapping[str, float]:
    return {"memory.utilization": 0.9, "cache.l2.fill": 1.0}


async def settled() -> None:
    """Wait for the end of the one-shot changes in progress."""
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        await task


def test_what_cannot_be_put_in_force_is_taken_back(tmp_path: Path) -> None:
    """The outcome has the reason, the previous values are restored, and the rule cools down."""
    controlled = Controlled(a_document(SHRINK), pressed, tmp_path)
    configured = CacheConfig().tiers.l2.max_bytes
    put: list[int] = []

    def refuse_less(effective: Effective) -> None:
        put.append(effective.cache.tiers.l2.max_bytes)
        if effective.cache.tiers.l2.max_bytes < configured:
            raise OSError("no such luck")

    controlled.put_in_force = refuse_less
    controlled.run(30)
    (outcome,) = controlled.control.engine.outcomes
    assert outcome.outcome == "failed"
    assert "no such luck" in outcome.reason
    assert len(put) == 2
    assert put[0] < put[1] == configured
    assert controlled.control.engine.standings["shrink"].state == "cooling_down"


def test_who_asks_before_it_has_started_spoils_nothing(tmp_path: Path) -> None:
    """The data API serves requests moments before the loop starts."""
    controlled = Controlled(a_document(SHRINK), pressed, tmp_path, begun=False)
    controlled.control.evaluate()
    controlled.control.reset()
    controlled.control.start()
    assert controlled.in_force == [controlled.control.engine.effective]
    assert controlled.control.engine.outcomes == []


async def test_a_deed_that_fails_is_an_outcome(tmp_path: Path) -> None:
    """The loop continues, and the rule tries again after its cooldown."""
    controlled = Controlled(a_document(FREE), pressed, tmp_path)
    tried: list[OneShot] = []

    async def fail(one_shot: OneShot) -> Figures:
        tried.append(one_shot)
        raise RuntimeError("the heap is shy")

    controlled.perform = fail
    controlled.run(5)
    await settled()
    (outcome,) = controlled.control.engine.outcomes
    assert outcome.outcome == "failed"
    assert "the heap is shy" in outcome.reason
    controlled.run(590)
    assert len(tried) == 1  # twice its cooldown of five minutes
    controlled.run(30)
    await settled()
    assert len(tried) == 2


async def test_a_deed_that_fails_late_is_an_outcome_too(tmp_path: Path) -> None:
    """Its trial was over, and the change was assumed to be done."""
    controlled = Controlled(a_document(FREE), pressed, tmp_path)
    end = asyncio.Event()

    async def fail(_one_shot: OneShot) -> Figures:
        await end.wait()
        raise RuntimeError("the heap is shy")

    controlled.perform = fail
    controlled.run(60)
    assert controlled.control.engine.trial is None
    await asyncio.sleep(0)
    end.set()
    await settled()
    verdicts = [outcome.outcome for outcome in controlled.control.engine.outcomes]
    assert verdicts == ["applied", "failed"]


async def test_one_deed_at_a_time(tmp_path: Path) -> None:
    """A one-shot change requested during another one fails, with the reason."""
    again = a_rule("again", when=PRESSED, type="gc", action="collect", options={}, expect=None)
    controlled = Controlled(a_document(FREE, again), pressed, tmp_path)
    end = asyncio.Event()

    async def last(_one_shot: OneShot) -> Figures:
        await end.wait()
        return {}

    controlled.perform = last
    controlled.run(60)
    await asyncio.sleep(0)
    end.set()
    await settled()
    verdicts = {it.rule: (it.outcome, it.reason) for it in controlled.control.engine.outcomes}
    assert verdicts["free"][0] == "applied"
    assert verdicts["again"] == ("failed", "The previous one-shot change has not ended.")


async def test_what_is_worth_keeping_is_written_when_it_ends(tmp_path: Path) -> None:
    """A trial in progress ends with the process, and the next process has its outcome."""
    controlled = Controlled(a_document(SHRINK), pressed, tmp_path / "not" / "there yet")
    controlled.run(3)
    assert controlled.control.engine.trial is not None
    await controlled.control.close()
    (outcome,) = remembered(tmp_path / "not" / "there yet").outcomes
    assert (outcome.rule, outcome.reason) == ("shrink", "The sidecar stopped.")


async def test_who_stops_while_it_is_written_down_loses_nothing(tmp_path: Path) -> None:
    """The state at the end is written last, even if another write is in progress."""
    controlled = Controlled(a_document(SHRINK), pressed, tmp_path)
    controlled.run(3)
    for _ in range(5):
        saving = asyncio.create_task(controlled.control.save())
        await asyncio.sleep(0)
        saving.cancel()
    await controlled.control.close()
    assert [outcome.reason for outcome in remembered(tmp_path).outcomes] == ["The sidecar stopped."]


async def test_a_volume_that_cannot_be_written_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The failure is logged once, and the loop continues."""
    (tmp_path / FILE).mkdir()
    controlled = Controlled(a_document(SHRINK), pressed, tmp_path)
    await controlled.control.save()
    await controlled.control.save()
    said = capsys.readouterr().out + caplog.text
    assert said.count("Optimizer state not saved") == 1
