"""The figures behind the names: those of the metrics are those of /v1/stats, tier by tier."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
    """One with tiers so small that entries have moved between all of them."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "rules.yaml").write_text("enabled: false\n")
    (folder / "cache.yaml").write_text(
        "tiers: {l1: {max_entries: 4}, l2: {max_entries: 8}, l3: {max_entries: 10}}\n"
    )
    sidecar = RunningSidecar(tmp_path_factory.mktemp("data"), ("--config", str(folder))).start()
    sidecar.ask("PUT", "/v1/cache/test/brief?ttl=1", b"v")
    wait_until(lambda: sidecar.get("brief").status == 404, "it has expired")
    for number in range(60):
        sidecar.put(f"key-{number}", b"v" * number)
    for number in (*range(20, 60), *range(50, 56), *range(50, 56), *range(50, 56)):
        sidecar.get(f"key-{number}")
    yield sidecar
    assert sidecar.stop() == 0


def shown(sidecar: RunningSidecar) -> dict[str, float]:
    """What /v1/stats says, by the names that Prometheus has for it."""
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
    """All of them; each kind of move has happened."""

    def agrees() -> bool:
        expected = shown(moved)
        return moved.metrics().items() >= expected.items()

    wait_until(agrees, "both say the same")
    nothing = {name for name, value in shown(moved).items() if not value}
    assert not {name for name in nothing if "motions_total" in name or 'result="hit"' in name}
    assert 'cache_sidecar_lookups_total{result="expired",tier="l1"}' not in nothing


def test_durations_add_up(moved: RunningSidecar) -> None:
    """As many as there were requests; their sum is that of the time they took."""
    labels = '{operation="get",protocol="http"}'
    found = moved.metrics()
    requests = [
        value
        for name, value in found.items()
        if name.startswith("cache_sidecar_requests_total{") and 'operation="get"' in name
    ]
    count = found[f"cache_sidecar_request_duration_seconds_count{labels}"]
    assert count == sum(requests) > 0
    mean_seconds = found[f"cache_sidecar_request_duration_seconds_sum{labels}"] / count
    assert 1e-6 < mean_seconds < 1.0


def test_both_processes_have_a_memory_of_their_own(moved: RunningSidecar) -> None:
    """That of the main one is what the kernel says of it."""
    found = moved.metrics()
    main, disk = (
        found[f'cache_sidecar_process_resident_memory_bytes{{process="{process}"}}']
        for process in ("main", "l3")
    )
    pages = int(Path(f"/proc/{moved.pid}/statm").read_text().split()[1])
    assert main == pytest.approx(pages * 4096, rel=0.1)
    assert disk != main
