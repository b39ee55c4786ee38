"""The optimizer of a running sidecar under load: it keeps what helps, and undoes the rest.

One sidecar runs all tests, since measuring the noise takes most of the time. Every rule exists from
the start, with a false condition, so that its noise is measured; a test makes one true.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.documents.kubelet import Mount
from tests.e2e.application import SEED, Application
from tests.running import RunningSidecar, wait_until

WINDOW_SECONDS = 2.0
PATIENCE_SECONDS = 120.0
NEVER = "cache.hit_ratio > 2.0"
CACHE = """
tiers:
  l1: {max_entries: 10}
  l2: {max_entries: 50, compression: none}
  l3: {enabled: false}
"""
RULES = """
level: maximum
interval: 1s
rules:
  - name: roomier
    type: cache
    when: '%(roomier)s'
    cooldown: 1s
    action: grow_tier
    with: {tier: l2, by: 50%%, at_most: 800%%}
    expect: {signal: cache.hit_ratio, by: 2%%, window: 2s, settle: 2s}
  - name: harmful
    type: memory
    when: '%(harmful)s'
    cooldown: 4s
    action: shrink_tier
    with: {tier: l2, by: 50%%}
    expect: {signal: memory.resident_bytes, by: 50%%, window: 2s, settle: 1s}
    guard: {signal: cache.hit_ratio, worse_by: 5%%, window: 2s}
  - name: useless
    type: network
    when: '%(useless)s'
    cooldown: 20s
    action: set_keepalive
    with: {to: 20s}
    expect: {signal: cache.hit_ratio, by: 20%%, window: 2s, settle: 2s}
"""


def rules(**true: str) -> str:
    """The three rules; only the named ones have a condition that can be true."""
    return RULES % {name: true.get(name, NEVER) for name in ("roomier", "harmful", "useless")}


class Running(NamedTuple):
    """A sidecar under load, and its configuration folder."""

    sidecar: RunningSidecar
    application: Application
    config: Mount

    def publish(self, **true: str) -> None:
        texts = {"cache.yaml": CACHE, "rules.yaml": rules(**true)}
        before = self.sidecar.config()["revision"]
        self.config.publish(texts)
        wait_until(lambda: self.sidecar.config()["revision"] != before, "it is in force")

    def get(self, path: str) -> Any:
        return json.loads(self.sidecar.ask("GET", path).body)

    def outcomes(self, rule: str) -> list[dict[str, Any]]:
        """The outcomes of one rule, oldest first."""
        found = self.get("/v1/optimizer/outcomes")["outcomes"]
        return [outcome for outcome in reversed(found) if outcome["rule"] == rule]

    def max_entries(self) -> int:
        return int(self.sidecar.stats()["tiers"]["l2"]["max_entries"])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sidecar under load, after the noise of every rule was measured."""
    folder: Path = tmp_path_factory.mktemp("optimizer")
    config = Mount(folder / "config")
    config.publish({"cache.yaml": CACHE, "rules.yaml": rules()})
    sidecar = RunningSidecar(folder / "data", ("--config", str(config.path)))
    print(f"seed {SEED}")  # noqa: T201
    try:
        with Application(sidecar.start().port) as application:
            running = Running(sidecar, application, config)
            wait_until(lambda: noise_is_known(running), "the noise is known", PATIENCE_SECONDS)
            yield running
    finally:
        status = sidecar.stop()
    assert status == 0


def noise_is_known(running: Running) -> bool:
    """Whether no rule still waits for its noise."""
    reasons = [each["no_change"] or "" for each in running.get("/v1/optimizer/rules")["rules"]]
    return not any("noise" in reason for reason in reasons)


def test_a_tier_that_is_too_small_grows_and_the_hit_ratio_with_it(running: Running) -> None:
    """`improved`, with the figures that the application sees; the change is kept."""
    began = time.time()
    running.publish(roomier="cache.hit_ratio < 0.60 && cache.l2.fill > 0.95")
    wait_until(
        lambda: running.outcomes("roomier"), "the first trial has come to its end", PATIENCE_SECONDS
    )
    first = running.outcomes("roomier")[0]
    assert first["outcome"] == "improved", first
    assert first["knob"] == "tiers.l2.size"
    assert (first["from"]["max_entries"], first["to"]["max_entries"]) == (50, 75)
    seen_before = running.application.hit_ratio(
        first["started_at"] - WINDOW_SECONDS, first["started_at"]
    )
    seen_after = running.application.hit_ratio(
        first["ended_at"] - WINDOW_SECONDS, first["ended_at"]
    )
    assert first["before"] == pytest.approx(seen_before, abs=0.04)
    assert first["after"] == pytest.approx(seen_after, abs=0.04)
    assert first["effect_ratio"] == pytest.approx(first["after"] / first["before"] - 1)
    assert first["after"] - first["before"] > first["noise"]
    wait_until(lambda: running.max_entries() > 100, "it goes on", PATIENCE_SECONDS)
    knob = running.sidecar.config()["knobs"]["tiers.l2.size"]
    assert knob["configured"]["max_entries"] == 50
    assert knob["effective"]["max_entries"] == running.max_entries()
    running.publish()
    now = time.time()
    ratio = running.application.hit_ratio
    assert ratio(now - WINDOW_SECONDS, now) > ratio(began - WINDOW_SECONDS, began) + 0.05


def test_what_harms_is_rolled_back_by_its_guard(running: Running) -> None:
    """A busy tier is halved: the hit ratio falls, the guard is violated, and both recover."""
    entries = running.max_entries()
    running.publish(harmful="memory.resident_bytes > 0.0")
    wait_until(lambda: running.outcomes("harmful"), "the guard has broken", PATIENCE_SECONDS)
    running.publish()
    outcome = running.outcomes("harmful")[0]
    assert outcome["outcome"] == "regressed", outcome
    assert "cache.hit_ratio" in outcome["reason"]
    assert outcome["from"]["max_entries"] == entries
    wait_until(lambda: running.max_entries() == entries, "it is undone")
    ratio = running.application.hit_ratio
    before = ratio(outcome["started_at"] - WINDOW_SECONDS, outcome["started_at"])
    harmed = ratio(outcome["ended_at"] - WINDOW_SECONDS / 2, outcome["ended_at"])
    assert harmed < before * 0.95
    wait_until(
        lambda: ratio(time.time() - WINDOW_SECONDS, time.time()) > before * 0.96,
        "the hit ratio has come back",
    )


def test_what_does_nothing_is_undone_and_tried_less_and_less_often(running: Running) -> None:
    """`neutral`, three times, each after a longer pause."""
    running.publish(useless="cache.hit_ratio > 0.0")
    wait_until(lambda: len(running.outcomes("useless")) >= 3, "three trials", PATIENCE_SECONDS)
    running.publish()
    outcomes = running.outcomes("useless")[:3]
    assert [outcome["outcome"] for outcome in outcomes] == ["neutral"] * 3
    pauses = [later["started_at"] - earlier["ended_at"] for earlier, later in pairwise(outcomes)]
    assert pauses[1] > pauses[0]
    knob = running.sidecar.config()["knobs"]["network.keepalive_seconds"]
    assert knob["effective"] == knob["configured"]
