"""A broken L3 never stops the cache, and never returns stale entries."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import StartSidecar
from tests.documents.kubelet import Mount
from tests.l3.record import lose_record
from tests.running import RunningSidecar, wait_until


def test_a_corrupt_database_is_put_aside(sidecar: RunningSidecar) -> None:
    """L3 starts empty, keeps the corrupt database for inspection, and accepts writes."""
    sidecar.put("key", b"old")
    sidecar.stop()
    manifest = next((sidecar.data_dir / "l3").glob("MANIFEST-*"))
    manifest.write_bytes(b"\xff" * 200)
    sidecar.start()
    assert sidecar.get("key").status == 404
    assert sidecar.put("key", b"new").tier == "l3"
    assert (sidecar.data_dir / "l3.quarantine").is_dir()


def test_a_lost_record_empties_l3(sidecar: RunningSidecar) -> None:
    """Entries in L3 may have been deleted meanwhile; it is emptied once."""
    sidecar.put("key", b"old")
    sidecar.stop()
    lose_record(sidecar.data_dir)
    sidecar.start()
    assert sidecar.get("key").status == 404
    assert sidecar.put("key", b"new").tier == "l3"
    sidecar.stop()
    sidecar.start()
    assert sidecar.get("key").body == b"new"


def test_a_crash_in_the_middle_of_emptying_is_gone_over_again(sidecar: RunningSidecar) -> None:
    """No record and half a database: the next start succeeds with an empty L3."""
    for number in range(100):
        sidecar.put(f"key{number}", b"old")
    sidecar.stop()
    lose_record(sidecar.data_dir)
    for table in (sidecar.data_dir / "l3").glob("*.sst"):
        table.unlink()
    sidecar.start()
    assert sidecar.get("key1").status == 404
    assert sidecar.put("key1", b"new").tier == "l3"


def test_l3_switched_off_and_on_while_running(start_sidecar: StartSidecar, tmp_path: Path) -> None:
    """A deletion in between is final, and entries in memory are served all the time."""
    config = Mount(tmp_path / "config")
    config.publish({"cache.yaml": "tiers: {l3: {enabled: true}}\n"})
    sidecar = start_sidecar("--config", str(config.path))
    sidecar.put("gone", b"old")
    sidecar.put("kept", b"value")
    config.publish({"cache.yaml": "tiers: {l3: {enabled: false}}\n"})
    wait_until(lambda: sidecar.stats()["l3"]["state"] == "down", "L3 is off")
    sidecar.ask("DELETE", "/v1/cache/test/gone")
    assert sidecar.get("kept").body == b"value"
    config.publish({"cache.yaml": "tiers: {l3: {enabled: true}}\n"})
    wait_until(lambda: sidecar.stats()["l3"]["state"] == "up", "L3 is on")
    assert sidecar.get("gone").status == 404
    assert sidecar.get("kept").body == b"value"
