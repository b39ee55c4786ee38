"""Changes that the optimizer kept survive a restart, until a reset or a new document."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.control import FILE, remembered
from sidecar.model.change import Size
from sidecar.model.outcome import Outcome
from sidecar.optimizer.decisions import SavedState
from sidecar.optimizer.overlay import KeptTurn
from tests.conftest import StartSidecar
from tests.documents.kubelet import Mount
from tests.running import RunningSidecar, wait_until

MIB = 1 << 20
CONFIGURED, PROVEN = Size(1000, 100 * MIB), Size(1500, 150 * MIB)
GROWN = Outcome(
    rule="cache_efficiency",
    type="cache",
    action="grow_tier",
    knob="tiers.l2.size",
    from_=CONFIGURED,
    to=PROVEN,
    outcome="improved",
    signal="cache.l2.hit_ratio",
    before=0.5,
    after=0.6,
    noise=0.01,
    effect_ratio=0.2,
    reason="It became better.",
    started_at=1_700_000_000.0,
    ended_at=1_700_000_100.0,
)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """The folder of an earlier process that kept a larger L2."""
    folder = tmp_path / "data"
    folder.mkdir()
    memory = SavedState(kept={"tiers.l2.size": KeptTurn(PROVEN, CONFIGURED)}, outcomes=[GROWN])
    (folder / FILE).write_bytes(msgspec.msgpack.encode(memory))
    return folder


def l2(sidecar: RunningSidecar) -> tuple[int, int]:
    tier = sidecar.stats()["tiers"]["l2"]
    return tier["max_entries"], tier["max_bytes"]


def outcomes(sidecar: RunningSidecar) -> list[Any]:
    found: list[Any] = json.loads(sidecar.ask("GET", "/v1/optimizer/outcomes").body)["outcomes"]
    return found


def test_what_was_proven_is_in_force_after_a_start(
    start_sidecar: StartSidecar, data_dir: Path
) -> None:
    """The history too; both also after an orderly end, and after a kill."""
    sidecar = start_sidecar(data_dir=data_dir)
    for _ in range(2):
        assert l2(sidecar) == (1500, 150 * MIB)
        knob = sidecar.config()["knobs"]["tiers.l2.size"]
        assert knob["configured"] == {"max_entries": 1000, "max_bytes": 100 * MIB}
        assert outcomes(sidecar) == json.loads(msgspec.json.encode([GROWN]))
        assert sidecar.stop() == 0
        sidecar.start()
    sidecar.signal(signal.SIGKILL)
    sidecar.wait()
    assert l2(sidecar.start()) == (1500, 150 * MIB)


def test_reset_drops_it_for_good(start_sidecar: StartSidecar, data_dir: Path) -> None:
    """Configured values are in force, also after a restart; the history stays."""
    sidecar = start_sidecar(data_dir=data_dir)
    assert sidecar.ask("POST", "/v1/optimizer/reset").status == 204
    assert l2(sidecar) == (1000, 100 * MIB)
    assert sidecar.stop() == 0
    sidecar.start()
    assert l2(sidecar) == (1000, 100 * MIB)
    assert len(outcomes(sidecar)) == 1


def test_a_document_takes_back_the_knobs_that_it_sets_anew(
    start_sidecar: StartSidecar, data_dir: Path, tmp_path: Path
) -> None:
    """Another size for L1 leaves that of L2; another one for L2 is in force."""
    config = Mount(tmp_path / "config")
    config.publish({"cache.yaml": "tiers: {l1: {max_entries: 50}}\n"})
    sidecar = start_sidecar("--config", str(config.path), data_dir=data_dir)
    assert l2(sidecar) == (1500, 150 * MIB)
    config.publish({"cache.yaml": "tiers: {l1: {max_entries: 60}}\n"})
    wait_until(lambda: sidecar.stats()["tiers"]["l1"]["max_entries"] == 60, "it is in force")
    assert l2(sidecar) == (1500, 150 * MIB)
    config.publish({"cache.yaml": "tiers: {l2: {max_entries: 900}}\n"})
    wait_until(lambda: l2(sidecar) == (900, 100 * MIB), "it is in force")


@pytest.mark.parametrize("switch", ["enabled: false", "dry_run: true"])
def test_switched_off_only_what_was_configured_is_in_force(
    start_sidecar: StartSidecar, data_dir: Path, tmp_path: Path, switch: str
) -> None:
    """The kept changes are in force again when the optimizer is enabled."""
    config = Mount(tmp_path / "config")
    config.publish({"rules.yaml": f"{switch}\n"})
    sidecar = start_sidecar("--config", str(config.path), data_dir=data_dir)
    assert l2(sidecar) == (1000, 100 * MIB)
    config.publish({"rules.yaml": "level: balanced\n"})
    wait_until(lambda: l2(sidecar) == (1500, 150 * MIB), "it is switched on")


@pytest.mark.parametrize(
    ("knob", "kept"),
    [
        ("tiers.l2.policy", KeptTurn("of_another_version", "lru")),
        ("promote_after", KeptTurn("often", 2)),
        ("tiers.l2.size", KeptTurn(5, CONFIGURED)),
    ],
)
def test_what_can_not_be_put_in_force_any_more_is_dropped(
    start_sidecar: StartSidecar, data_dir: Path, knob: str, kept: KeptTurn
) -> None:
    """The configured value is in force permanently, and the knobs show it."""
    (data_dir / FILE).write_bytes(msgspec.msgpack.encode(SavedState(kept={knob: kept})))
    sidecar = start_sidecar(data_dir=data_dir)
    shown = sidecar.config()["knobs"][knob]
    assert shown["effective"] == shown["configured"]
    assert sidecar.stats()["tiers"]["l2"]["policy"] == "lru"
    assert l2(sidecar) == (1000, 100 * MIB)
    assert sidecar.stop() == 0
    assert remembered(data_dir).kept == {}


@pytest.mark.parametrize("damage", [b"", b"\x81", random.Random(5).randbytes(64)])
def test_a_damaged_file_is_passed_over(
    start_sidecar: StartSidecar, data_dir: Path, damage: bytes
) -> None:
    """The sidecar starts as without the file."""
    (data_dir / FILE).write_bytes(damage)
    assert l2(start_sidecar(data_dir=data_dir)) == (1000, 100 * MIB)
