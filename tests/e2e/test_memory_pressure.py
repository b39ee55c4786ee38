"""Memory near its limit: tiers shrink before it is reached, and grow again afterwards."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.documents.kubelet import Mount
from tests.e2e.container import Container
from tests.running import RunningSidecar, wait_until

MIB = 1 << 20
LIMIT_BYTES = 352 * MIB
VALUE_BYTES = 256 << 10
PATIENCE_SECONDS = 60.0
CONFIG = {
    "cache.yaml": """
tiers:
  l1: {max_entries: 1}
  l2: {max_entries: 100000, max_bytes: 240MiB, compression: none}
  l3: {enabled: false}
""",
    "rules.yaml": """
level: maximum
interval: 1s
rules:
  - name: memory_cleanup
    type: memory
    when: memory.utilization > 0.75
    cooldown: 8s
    action: shrink_tier
    with: {tier: l2, by: 40%, at_least: 5%}
""",
}
COOLDOWN_SECONDS = 2.0
"""The cooldown at the level of the rules."""
PUTS_A_TICK = 60
"""15 MiB per second: a sidecar that measures once a second can't react to faster growth."""


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[RunningSidecar]:
    """A sidecar under a limit that a full L2 comes near."""
    config = Mount(tmp_path / "config")
    config.publish(CONFIG)
    container = Container(f"cache-sidecar-{os.getpid()}", tmp_path / "group", LIMIT_BYTES)
    flags = ("--config", str(config.path))
    sidecar = RunningSidecar(tmp_path / "data", flags, wrapper=container.wrapper)
    sidecar.launch()
    try:
        container.started(sidecar.pid)
        wait_until(lambda: sidecar.ready, f"the sidecar is ready ({container.kind})")
        yield sidecar
    finally:
        sidecar.stop()
        container.close()


def test_tiers_shrink_before_the_limit_is_reached_and_grow_again(limited: RunningSidecar) -> None:
    """More is put than fits: L2 shrinks, and no process is killed; after a release L2 grows back.

    There is no oscillation: between two turns lies at least the cooldown.
    """
    worst, least = 0.0, limits(limited)["configured"]["max_bytes"]
    for number in range(3 * LIMIT_BYTES // 2 // VALUE_BYTES):
        assert limited.put(f"key{number}", os.urandom(VALUE_BYTES)).status in (201, 204)
        if number % PUTS_A_TICK == 0:
            worst = max(worst, utilization(limited))
            least = min(least, limits(limited)["effective"]["max_bytes"])
            wait_for_a_tick(limited)
    assert 0.75 < worst < 1.0
    assert least < limits(limited)["configured"]["max_bytes"]
    first = outcomes(limited)
    assert first
    assert {outcome["outcome"] for outcome in first} == {"applied"}

    answer = limited.ask("POST", "/v1/invalidate", b'{"namespace": "test", "all": true}')
    assert answer.status == 204
    wait_until(lambda: utilization(limited) < 0.7, "memory is free again", PATIENCE_SECONDS)
    wait_until(
        lambda: limits(limited)["effective"] == limits(limited)["configured"],
        "L2 has its room back",
        PATIENCE_SECONDS,
    )
    started = [outcome["started_at"] for outcome in outcomes(limited)]
    pauses = [later - earlier for earlier, later in pairwise(started)]
    assert all(pause >= COOLDOWN_SECONDS for pause in pauses)


def wait_for_a_tick(sidecar: RunningSidecar) -> None:
    def ticks() -> int:
        return int(json.loads(sidecar.ask("GET", "/v1/optimizer").body)["ticks"])

    seen = ticks()
    wait_until(lambda: ticks() > seen, "the optimizer has looked")


def signals(sidecar: RunningSidecar) -> Any:
    return json.loads(sidecar.ask("GET", "/v1/optimizer").body)["signals"]


def utilization(sidecar: RunningSidecar) -> float:
    """The utilization that the sidecar reports."""
    return float(signals(sidecar)["memory.utilization"]["value"] or 0.0)


def limits(sidecar: RunningSidecar) -> Any:
    """The limits of L2: configured and in force."""
    return sidecar.config()["knobs"]["tiers.l2.size"]


def outcomes(sidecar: RunningSidecar) -> list[dict[str, Any]]:
    """The outcomes, oldest first."""
    found = json.loads(sidecar.ask("GET", "/v1/optimizer/outcomes").body)["outcomes"]
    return list(reversed(found))
