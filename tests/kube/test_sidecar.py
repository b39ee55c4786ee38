"""A real sidecar that watches its ConfigMap: the document in force, its source, the messages."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.documents.kubelet import Mount
from tests.kube.conftest import Start, notes, promote_after
from tests.kube.threaded import NAMESPACE, ThreadedApiServer
from tests.running import IDLE_BYTES, anonymous_bytes, wait_until

CONTACT = "cache_sidecar_config_source_last_contact_timestamp_seconds"
POD = ("--pod-name", "cart-1", "--pod-namespace", NAMESPACE, "--pod-uid", "uid-1")


def test_an_edit_is_in_force_a_moment_later(start: Start, api: ThreadedApiServer) -> None:
    """This also holds after a rejected edit, which is shown with its errors."""
    api.publish(cache="promote_after: 3")
    sidecar = start()
    wait_until(lambda: promote_after(sidecar) == 3, "the first document is in force")
    assert sidecar.config()["source"] == "api"
    api.publish(cache="promote_after: -1\nunknown: 1")
    wait_until(lambda: sidecar.config()["rejected"], "the bad one is shown")
    errors = " ".join(sidecar.config()["rejected"]["errors"])
    assert "cache.yaml:1: promote_after" in errors
    assert "cache.yaml:2: unknown" in errors
    assert sidecar.config()["rejected"]["source"] == "api"
    assert promote_after(sidecar) == 3
    api.publish(cache="promote_after: 4")
    wait_until(lambda: promote_after(sidecar) == 4, "the next one is in force")
    assert sidecar.config()["rejected"] is None
    metrics = sidecar.metrics()
    assert metrics['cache_sidecar_config_reloads_total{result="success",source="api"}'] == 2
    assert metrics['cache_sidecar_config_reloads_total{result="failure",source="api"}'] == 1
    assert 0 <= time.time() - metrics[CONTACT] < 60


def test_a_watch_needs_little_memory(start: Start, api: ThreadedApiServer) -> None:
    """Both processes stay within the limit of those without a ConfigMap."""
    api.publish(cache="promote_after: 3")
    sidecar = start()
    wait_until(lambda: sidecar.metrics()[CONTACT], "the document has been read")
    assert sidecar.child is not None
    total = anonymous_bytes(sidecar.pid) + anonymous_bytes(sidecar.child)
    assert total <= IDLE_BYTES


def test_a_configmap_that_does_not_exist_is_waited_for(
    start: Start, api: ThreadedApiServer
) -> None:
    """On the defaults, with a message; after a deletion the last document stays in force."""
    sidecar = start()
    wait_until(lambda: "does not exist" in notes(sidecar), "it is said")
    assert sidecar.config()["source"] == "defaults"
    api.publish(cache="promote_after: 3")
    wait_until(lambda: promote_after(sidecar) == 3, "it is in force when it comes")
    assert notes(sidecar) == ""
    api.delete()
    wait_until(lambda: "was deleted" in notes(sidecar), "it is said")
    assert promote_after(sidecar) == 3
    api.publish(cache="promote_after: 4")
    wait_until(lambda: promote_after(sidecar) == 4, "the next one of that name is followed")


def test_a_start_without_an_api_server_is_on_the_last_good_document(
    start: Start, api: ThreadedApiServer
) -> None:
    """It is on the volume; the start does not wait for a silent server, whose document is applied
    later.
    """
    api.publish(cache="promote_after: 3")
    sidecar = start()
    wait_until(lambda: promote_after(sidecar) == 3, "the document is in force")
    kept = sidecar.data_dir / "configuration.state"
    wait_until(lambda: kept.exists() and b"promote_after: 3" in kept.read_bytes(), "it is kept")
    sidecar.stop()
    api.do(lambda: setattr(api.server.faults, "frozen", True))
    sidecar.start()
    assert (promote_after(sidecar), sidecar.config()["source"]) == (3, "volume")
    assert "has not answered yet" in notes(sidecar)
    assert sidecar.metrics()[CONTACT] == 0
    api.publish(cache="promote_after: 4")
    api.do(api.server.thaw)
    wait_until(lambda: promote_after(sidecar) == 4, "the API's document is in force")
    assert sidecar.config()["source"] == "api"


def test_where_the_configmap_is_gone_at_the_start_the_volume_has_no_say(
    start: Start, api: ThreadedApiServer
) -> None:
    """The volume replaces a server that has not answered; this one has."""
    api.publish(cache="promote_after: 3")
    sidecar = start()
    kept = sidecar.data_dir / "configuration.state"
    wait_until(kept.exists, "the document is kept")
    sidecar.stop()
    api.delete()
    sidecar.start()
    wait_until(lambda: sidecar.config()["source"] == "defaults", "the defaults are in force")
    assert "does not exist" in notes(sidecar)


def test_of_both_sources_the_api_leads(
    start: Start, api: ThreadedApiServer, tmp_path: Path
) -> None:
    """The folder is in force at the start, and as long as there is no ConfigMap."""
    mount = Mount(tmp_path / "config")
    mount.publish({"cache.yaml": "promote_after: 5\n"})
    sidecar = start("--config", str(mount.path))
    assert (promote_after(sidecar), sidecar.config()["source"]) == (5, "folder")
    mount.publish({"cache.yaml": "promote_after: 6\n"})
    wait_until(lambda: promote_after(sidecar) == 6, "the folder is followed")
    api.publish(cache="promote_after: 3")
    wait_until(lambda: promote_after(sidecar) == 3, "the API leads")
    mount.publish({"cache.yaml": "promote_after: 7\n"})
    api.publish(cache="promote_after: 3", rules="level: aggressive")
    wait_until(lambda: "rules.yaml" in sidecar.config()["document"], "the API is followed")
    assert (promote_after(sidecar), sidecar.config()["source"]) == (3, "api")


def test_the_same_content_from_another_source_is_no_event(
    start: Start, api: ThreadedApiServer, tmp_path: Path
) -> None:
    """Only the source changes, not the document or its time."""
    mount = Mount(tmp_path / "config")
    mount.publish({"cache.yaml": "promote_after: 5\n"})
    sidecar = start("--config", str(mount.path))
    before = sidecar.config()
    api.publish(cache="promote_after: 5\n")
    wait_until(lambda: sidecar.config()["source"] == "api", "the API leads")
    assert sidecar.config()["applied_at"] == before["applied_at"]
    assert sidecar.config()["revision"] == before["revision"]


def test_keys_of_others_are_ignored_and_said(start: Start, api: ThreadedApiServer) -> None:
    """A ConfigMap without our keys means the defaults, with a message too."""
    api.put({"data": {"app.yaml": "promote_after: 3", "app.properties": "a=b"}})
    sidecar = start()
    wait_until(lambda: "app.properties, app.yaml" in notes(sidecar), "the keys are named")
    assert "none of cache.yaml" in notes(sidecar)
    assert promote_after(sidecar) == 2


def test_a_misspelt_key_is_rejected(start: Start, api: ThreadedApiServer) -> None:
    """The document in force stays, and does not become the defaults."""
    api.put({"data": {"cache.yaml": "promote_after: 3"}})
    sidecar = start()
    wait_until(lambda: promote_after(sidecar) == 3, "the document is in force")
    api.put({"data": {"cache.yml": "promote_after: 4"}})
    wait_until(lambda: "was rejected" in notes(sidecar), "it is rejected")
    assert "none of" not in notes(sidecar)
    assert promote_after(sidecar) == 3
    api.put({"data": {"cache.yaml": "promote_after: 4"}})
    wait_until(lambda: promote_after(sidecar) == 4, "the right name is accepted")


def test_what_happens_is_an_event_on_the_pod(start: Start, api: ThreadedApiServer) -> None:
    """By default only for problems: a rejected document, and L3 when its process is killed."""
    sidecar = start(*POD)
    wait_until(lambda: sidecar.child, "L3 runs")
    api.publish(cache="promote_after: 3")
    api.publish(cache="promote_after: -3")
    wait_until(lambda: len(api.events()) == 1, "the refusal is an Event")
    [event] = api.events()
    assert event["reason"] == "ConfigurationRejected"
    assert "cache.yaml:1: promote_after" in event["note"]
    assert event["regarding"]["uid"] == "uid-1"
    subprocess.run(["kill", "-9", str(sidecar.child)], check=True)
    wait_until(lambda: len(api.events()) == 2, "L3's end is an Event")
    assert {event["reason"] for event in api.events()} == {"ConfigurationRejected", "L3Unavailable"}


def test_all_events_have_what_was_applied(start: Start, api: ThreadedApiServer) -> None:
    sidecar = start(*POD, "--events", "all")
    api.publish(cache="promote_after: 3")
    wait_until(lambda: len(api.events()) == 1, "it is an Event")
    [event] = api.events()
    assert (event["reason"], event["type"]) == ("ConfigurationApplied", "Normal")
    assert sidecar.config()["revision"][:12] in event["note"]


@pytest.mark.parametrize(
    ("configmap", "kubeconfig", "advice"),
    [
        ("Shop/cache", "", "write for example shop/cache-config"),
        ("cache-config", "", "outside of a pod, set --configmap to NAMESPACE/NAME"),
        ("shop/cache-config", None, "/nowhere does not exist; set KUBECONFIG, or run in a pod"),
        ("shop/cache-config", "just text", "the kubeconfig is not well-formed"),
    ],
)
def test_a_mistake_at_the_start_is_one_line(
    tmp_path: Path, configmap: str, kubeconfig: str | None, advice: str
) -> None:
    """The line says what to do."""
    file = tmp_path / "kubeconfig"
    file.write_text(kubeconfig or "")
    path = str(file) if kubeconfig is not None else "/nowhere"
    command = [sys.executable, "-m", "sidecar", "serve", "--configmap", configmap]
    command += ["--data-bind", "127.0.0.1:0", "--ops-bind", "127.0.0.1:0"]
    done = subprocess.run(
        [*command, "--data-dir", str(tmp_path / "data")],
        env={"KUBECONFIG": path, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode != 0
    [line] = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert advice in line


def test_the_cache_does_not_notice_a_server_that_ends_every_watch(
    start: Start, api: ThreadedApiServer
) -> None:
    """The server is real and the test takes seconds: it gets few requests, and the cache answers
    all.
    """
    api.server.faults.end_watches = True
    api.publish(cache="promote_after: 3")
    sidecar = start()
    wait_until(lambda: promote_after(sidecar) == 3, "the document is in force")
    sidecar.put("key", b"value")
    until = time.monotonic() + 2
    while time.monotonic() < until:
        assert sidecar.get("key").body == b"value"
    assert len(api.server.requests) < 20
