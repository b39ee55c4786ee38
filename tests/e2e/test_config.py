"""The configuration of a running sidecar: reapplied on change, as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartSidecar
from tests.documents.kubelet import Mount
from tests.running import RunningSidecar, wait_until

FAILURES = 'cache_sidecar_config_reloads_total{result="failure",source="folder"}'


@pytest.fixture
def config(tmp_path: Path) -> Mount:
    return Mount(tmp_path / "config")


def cache(text: str) -> dict[str, str]:
    return {"cache.yaml": text + "\n"}


def test_a_document_is_taken_whole_or_not_at_all(
    start_sidecar: StartSidecar, config: Mount
) -> None:
    """A swap as in Kubernetes is applied; an invalid one is reported, and changes nothing."""
    config.publish(cache("tiers: {l1: {max_entries: 50}}"))
    sidecar = start_sidecar("--config", str(config.path))
    for number in range(60):
        sidecar.put(f"key{number}", b"value")
    assert sidecar.stats()["tiers"]["l1"]["entries"] == 50
    config.publish(cache("tiers: {l1: {max_entries: 20, policy: sieve}}"))
    wait_until(lambda: sidecar.stats()["tiers"]["l1"]["entries"] == 20, "L1 has shrunk")
    assert sidecar.stats()["tiers"]["l1"]["policy"] == "sieve"
    assert sidecar.stats()["tiers"]["l2"]["entries"] == 40
    config.publish(cache("tiers: {l1: {max_entries: -1, unknown: 2}}"))
    wait_until(lambda: sidecar.config()["rejected"], "the bad document is shown")
    errors = " ".join(sidecar.config()["rejected"]["errors"])
    assert "cache.yaml:1" in errors
    assert "tiers.l1.max_entries" in errors
    assert "tiers.l1.unknown" in errors
    assert sidecar.stats()["tiers"]["l1"]["max_entries"] == 20
    config.publish(cache("tiers: {l1: {max_entries: 30}}"))
    wait_until(lambda: sidecar.stats()["tiers"]["l1"]["max_entries"] == 30, "the next one heals it")
    assert sidecar.config()["rejected"] is None


def test_a_folder_that_cannot_be_read_counts_as_refused(
    start_sidecar: StartSidecar, config: Mount, tmp_path: Path
) -> None:
    """The previous document stays in force; reading the same one successfully clears the error."""
    config.publish(cache("tiers: {l1: {max_entries: 50}}"))
    sidecar = start_sidecar("--config", str(config.path))
    assert (
        sidecar.metrics()[FAILURES] == 0
    )  # else Prometheus would not see the first as an increase
    revision = sidecar.config()["revision"]
    config.path.rename(tmp_path / "elsewhere")
    wait_until(lambda: sidecar.config()["rejected"], "it is shown")
    assert str(config.path) in sidecar.config()["rejected"]["errors"][0]
    assert sidecar.metrics()[FAILURES] == 1
    assert sidecar.metrics()["cache_sidecar_config_last_reload_successful"] == 0
    assert sidecar.config()["revision"] == revision
    (tmp_path / "elsewhere").rename(config.path)
    wait_until(lambda: sidecar.config()["rejected"] is None, "it is healed")
    assert sidecar.metrics()["cache_sidecar_config_last_reload_successful"] == 1
    assert sidecar.stats()["tiers"]["l1"]["max_entries"] == 50


@pytest.fixture
def in_a_container(tmp_path: Path, config: Mount) -> Iterator[RunningSidecar]:
    """A sidecar that sees a memory limit of 128 MiB; the test starts it."""
    groups = tmp_path / "cgroup"
    groups.mkdir()
    (groups / "memory.max").write_text(f"{128 << 20}\n")
    mounted = f'mount --bind {groups} /sys/fs/cgroup && exec "$0" "$@"'
    wrapper = ("unshare", "--mount", "sh", "-c", mounted)
    flags = ("--config", str(config.path))
    sidecar = RunningSidecar(tmp_path / "data", flags, wrapper=wrapper)
    yield sidecar
    sidecar.stop()


def test_sizes_above_the_memory_limit_are_refused(
    in_a_container: RunningSidecar, config: Mount
) -> None:
    """Also at the start: the sidecar uses defaults that fit, and reports why."""
    config.publish(cache("tiers: {l2: {max_bytes: 1GiB}}"))
    sidecar = in_a_container.start()
    (error,) = sidecar.config()["rejected"]["errors"]
    assert error.startswith("cache.yaml:1: tiers.l2.max_bytes: ")
    assert "memory limit of the container" in error
    tiers = sidecar.stats()["tiers"]
    assert tiers["l1"]["max_bytes"] + tiers["l2"]["max_bytes"] < 128 << 20
    config.publish(cache("tiers: {l2: {max_bytes: 20MiB}}"))
    wait_until(lambda: sidecar.config()["rejected"] is None, "one that fits is taken")
    assert sidecar.stats()["tiers"]["l2"]["max_bytes"] == 20 << 20
