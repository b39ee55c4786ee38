"""As in a pod: the service account's folder, TLS, a rotated token, the default namespace."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube.conftest import notes, promote_after
from tests.kube.threaded import NAME, NAMESPACE, ThreadedApiServer
from tests.running import RunningSidecar, wait_until

SERVICE_ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """The folder that the kubelet mounts, with a certificate for loopback."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    extensions = ("subjectAltName=IP:127.0.0.1", "keyUsage=digitalSignature,keyCertSign")
    added = [word for extension in extensions for word in ("-addext", extension)]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(folder / "ca.crt")]
    subprocess.run(
        [*command.split(), *added, "-subj", "/CN=kube", *files], check=True, capture_output=True
    )
    (folder / "namespace").write_text(NAMESPACE)
    (folder / "token").write_text("one")
    return folder


@pytest.fixture
def api(account: Path, tmp_path: Path) -> Iterator[ThreadedApiServer]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(account / "ca.crt", tmp_path / "key.pem")
    running = ThreadedApiServer(tls).start()
    yield running
    running.close()


@pytest.fixture
def in_a_pod(api: ThreadedApiServer, account: Path, tmp_path: Path) -> Iterator[RunningSidecar]:
    """A sidecar with that folder mounted; the test starts it."""
    mounted = (
        f"mount -t tmpfs none /run && mkdir -p {SERVICE_ACCOUNT} && "
        f'mount --bind {account} {SERVICE_ACCOUNT} && exec "$0" "$@"'
    )
    sidecar = RunningSidecar(
        tmp_path / "data",
        ("--configmap", NAME),
        {
            "KUBECONFIG": "",
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(api.server.port),
        },
        wrapper=("unshare", "--mount", "sh", "-c", mounted),
    )
    yield sidecar
    sidecar.stop()


def test_the_service_account_is_who_it_is(
    in_a_pod: RunningSidecar, api: ThreadedApiServer, account: Path
) -> None:
    """Over TLS, in the pod's namespace; a rotated token is read again after a 401."""
    api.server.faults.tokens = ["one"]
    api.publish(cache="promote_after: 3")
    sidecar = in_a_pod.start()
    wait_until(lambda: promote_after(sidecar) == 3, "the document is in force")
    (account / "token").write_text("two")
    api.server.faults.tokens = ["two"]
    api.do(api.server.watches.end)
    api.publish(cache="promote_after: 4")
    wait_until(lambda: promote_after(sidecar) == 4, "the new token is used")


def test_a_missing_right_is_a_note_with_the_role(
    in_a_pod: RunningSidecar, api: ThreadedApiServer
) -> None:
    """The sidecar keeps serving; once granted, the right is used."""
    api.server.faults.only_names = ["another"]
    api.publish(cache="promote_after: 3")
    sidecar = in_a_pod.start()
    wait_until(lambda: "resourceNames: [cache-config]" in notes(sidecar), "the Role is shown")
    assert sidecar.put("key", b"value").status == 201
    api.server.faults.only_names = [NAME]
    wait_until(lambda: promote_after(sidecar) == 3, "the document is in force", 40)
    assert notes(sidecar) == ""


def test_a_pod_without_a_token_is_told_at_the_start(
    in_a_pod: RunningSidecar, account: Path
) -> None:
    (account / "token").unlink()
    in_a_pod.launch()
    status, said = in_a_pod.wait()
    assert status == 1
    [line] = said.splitlines()
    assert "serviceaccount/token does not exist; mount the service account's token" in line
