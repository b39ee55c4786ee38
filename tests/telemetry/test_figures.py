"""The values of metrics equal those of /v1/stats, tier by tier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from sidecar.config.values import CacheConfig
from sidecar.model.stats import RequestStats
from sidecar.telemetry.cache import CacheCollector
from sidecar.telemetry.metrics import RequestCollector
from sidecar.telemetry.signals import SignalCollector
from tests.optimizer.controlled import Controlled
from tests.optimizer.virtual import a_document, a_snapshot
from tests.running import RunningSidecar, wait_until

COUNTERS = {"hits": "hit", "misses": "miss", "expired": "expired"}
GAUGES = {
    "entries": "entries",
    "used_bytes": "used_bytes",
    "max_entries": "capacity_entries",
    "max_bytes": "capacity_bytes",
}


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSidecar]:
    """A sidecar with tiers so small that entries have moved between all of them."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "rules.yaml").write_text("enabled: false\n")
    (folder / "cache.yaml").write_text(
        "tiers: {l1: {max_entries: 4}, l2: {max_entries: 8}, l3: {max_entries: 10}}\n"
    )
    sidecar = RunningSidecar(tmp_path_factory.mktemp("data"), ("--config", str(folder))).start()
    lag = "cache_sidecar_event_loop_lag_seconds"
    wait_until(lambda: lag in sidecar.metrics(), "it is measured what comes")
    sidecar.ask("PUT", "/v1/cache/test/brief?ttl=1", b"v")
    wait_until(lambda: sidecar.get("brief").status == 404, "it has expired")
    for number in range(60):
        sidecar.put(f"key-{number}", b"v" * number)
    for number in (*range(20, 60), *range(50, 56), *range(50, 56), *range(50, 56)):
        sidecar.get(f"key-{number}")
    yield sidecar
    assert sidecar.stop() == 0


def expected_of(sidecar: RunningSidecar) -> dict[str, float]:
    """The figures of /v1/stats, by their names in Prometheus."""
    tiers = sidecar.stats()["tiers"]
    found: dict[str, float] = {}
    for tier, said in tiers.items():
        for name, result in COUNTERS.items():
            found[f'lookups_total{{result="{result}",tier="{tier}"}}'] = said[name]
        for name, metric in GAUGES.items():
            found[f'{metric}{{tier="{tier}"}}'] = said[name]
        found[f'expirations_total{{tier="{tier}"}}'] = said["expirations"]
        found[f'evictions_total{{policy="lru",tier="{tier}"}}'] = said["evictions"]
    for higher, lower in (("l1", "l2"), ("l2", "l3")):
        up, down = tiers[lower]["promotions"], tiers[higher]["demotions"]
        found[f'promotions_total{{from="{lower}",to="{higher}"}}'] = up
        found[f'demotions_total{{from="{higher}",to="{lower}"}}'] = down
    return {f"cache_sidecar_{name}": value for name, value in found.items()}


def test_the_tiers_figures_are_those_of_the_api(moved: RunningSidecar) -> None:
    """All figures are compared; each kind of move has happened."""

    def agrees() -> bool:
        expected = expected_of(moved)
        return moved.metrics().items() >= expected.items()

    wait_until(agrees, "both say the same")
    nothing = {name for name, value in expected_of(moved).items() if not value}
    assert not {name for name in nothing if "motions_total" in name or 'result="hit"' in name}
    assert 'cache_sidecar_lookups_total{result="expired",tier="l1"}' not in nothing


def test_each_tier_has_a_hit_ratio_of_its_own(moved: RunningSidecar) -> None:
    """Of the lookups that reached the tier; the cache's ratio is that of all."""

    stats = moved.stats()
    expected = {"cache_sidecar_hit_ratio": stats["hit_ratio"]}
    for tier, said in stats["tiers"].items():
        reached = said["hits"] + said["misses"] + said["expired"]
        expected[f'cache_sidecar_tier_hit_ratio{{tier="{tier}"}}'] = said["hits"] / reached

    def agrees() -> bool:
        found = moved.metrics()
        return {name: found.get(name) for name in expected} == pytest.approx(expected, abs=0.05)

    wait_until(agrees, "all have been measured")
    assert max(expected.values()) - min(expected.values()) > 0.2


def test_durations_add_up(moved: RunningSidecar) -> None:
    """The count is that of the requests; the sum is their time."""
    labels = '{operation="get",protocol="http"}'
    found = moved.metrics()
    requests = [
        value
        for name, value in found.items()
        if name.startswith("cache_sidecar_requests_total{") and 'operation="get"' in name
    ]
    timed = found[f"cache_sidecar_request_duration_seconds_count{labels}"]
    assert timed == sum(requests) > 0
    mean_seconds = found[f"cache_sidecar_request_duration_seconds_sum{labels}"] / timed
    assert 1e-6 < mean_seconds < 1.0


def test_both_processes_have_a_memory_of_their_own(moved: RunningSidecar) -> None:
    """The main process has the value of the kernel."""
    found = moved.metrics()
    main, disk = (
        found[f'cache_sidecar_process_resident_memory_bytes{{process="{process}"}}']
        for process in ("main", "l3")
    )
    pages = int(Path(f"/proc/{moved.pid}/statm").read_text().split()[1])
    assert main == pytest.approx(pages * 4096, rel=0.1)
    assert disk != main


def collected(collector: Collector, name: str, **labels: str) -> float | None:
    """The samples of a collector, by the name without its prefix."""
    registry = CollectorRegistry()
    registry.register(collector)
    return registry.get_sample_value(f"cache_sidecar_{name}", labels)


@pytest.mark.parametrize("state", ["up", "opening", "down"])
def test_l3_is_up_when_it_answers(state: str) -> None:
    """Not while it is opening or broken; its timeouts are counted."""
    snapshot = replace(a_snapshot(CacheConfig()), l3_state=state)
    snapshot.counts.timeouts = 3
    collector = CacheCollector(lambda: snapshot)
    assert collected(collector, "l3_up") == (state == "up")
    assert collected(collector, "l3_timeouts_total") == 3


def test_what_is_turned_away_is_counted_by_its_reason() -> None:
    """Counters start at 0, so that the first one is an increase."""
    stats = RequestStats()
    collector = RequestCollector({"http": stats})
    name = "shed_requests_total"
    assert collected(collector, name, protocol="http", reason="in_flight") == 0
    stats.shed["in_flight"] += 2
    assert collected(collector, name, protocol="http", reason="in_flight") == 2
    assert collected(collector, name, protocol="http", reason="buffers") == 0


def test_no_stall_falls_between_two_scrapes(tmp_path: Path) -> None:
    """The largest delay of the last minute is shown for a minute."""
    seconds = count()

    def readings(*_: object) -> dict[str, float]:
        return {"cpu.loop_lag_seconds": 0.7 if next(seconds) == 10 else 0.001}

    controlled = Controlled(a_document(), readings, tmp_path)
    controlled.run(60)
    collector = SignalCollector(controlled.control)
    assert collected(collector, "event_loop_lag_seconds") == pytest.approx(0.7)
    controlled.run(30)
    assert collected(collector, "event_loop_lag_seconds") == pytest.approx(0.001)
