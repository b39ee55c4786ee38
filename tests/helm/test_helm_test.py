"""The pod of `helm test`: its command is run, and it does not affect the workload."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import StartSidecar
from tests.helm.accepted import faults
from tests.helm.charts import Object, chart_of_ones_own, of_kind, one
from tests.helm.restricted import violations
from tests.helm.shop import Values, render_shop
from tests.running import PATIENCE_SECONDS, RunningSidecar, free_port


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chart_of_ones_own(tmp_path_factory.mktemp("charts") / "shop", {})


def test_the_pod_is_accepted_and_is_a_hook(shop: Path) -> None:
    found = render_shop(shop)
    assert faults(found, "1.36") == []
    pod = one(found, "Pod")
    assert violations(pod["spec"]) == []
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["restartPolicy"] == "Never"
    [sidecar] = pod["spec"]["initContainers"]
    assert sidecar["restartPolicy"] == "Always", "it would never end otherwise"


def test_the_pod_leaves_the_workload_and_its_volumes_alone(shop: Path) -> None:
    """It has none of the selected labels, no claim, and empty folders for its own mounts."""
    values: Values = {
        "l3": {"type": "existingClaim", "existingClaim": "data", "size": "3Gi"},
        "replicas": 1,
        "extraArgs": ["--data-socket=/sockets/cache"],
        "extraVolumeMounts": [
            {"name": "sockets", "mountPath": "/sockets"},
            {"name": "sockets", "mountPath": "/more", "subPath": "more"},
            {"name": "cache-sidecar-data", "mountPath": "/again"},
        ],
        "helmTest": {"imagePullSecrets": [{"name": "registry"}]},
    }
    found = render_shop(shop, values)
    assert faults(found, "1.36") == []
    pod = one(found, "Pod")
    assert "cache-sidecar/instance" not in pod["metadata"]["labels"]
    volumes = pod["spec"]["volumes"]
    [data] = [each for each in volumes if each["name"] == "cache-sidecar-data"]
    assert data == {"name": "cache-sidecar-data", "emptyDir": {"sizeLimit": "3Gi"}}
    assert volumes[3:] == [{"name": "sockets", "emptyDir": {}}]
    [sidecar] = pod["spec"]["initContainers"]
    assert "--data-socket=/sockets/cache" in sidecar["args"]
    assert {"name": "sockets", "mountPath": "/sockets"} in sidecar["volumeMounts"]
    assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]


def test_the_pod_can_be_left_out(shop: Path) -> None:
    """By a value, without native sidecars, and with a disabled sidecar."""
    off: list[Values] = [{"helmTest": {"enabled": False}}, {"enabled": False}]
    for values in off:
        assert not of_kind(render_shop(shop, values), "Pod")
    assert not of_kind(render_shop(shop, kube="1.28"), "Pod")


def test_a_value_is_put_and_comes_back(shop: Path, sidecar: RunningSidecar) -> None:
    """Over both protocols; over one, if the other is switched off."""
    done = _run(render_shop(shop), sidecar)
    assert (done.returncode, done.stdout) == (0, "A value was stored and read.\n")
    assert sidecar.ask("GET", "/v1/cache/helm-test/greeting").body == b"hello"
    assert sidecar.ask("DELETE", "/v1/cache/db0/helm-test").status == 204
    done = _run(render_shop(shop, {"redis": {"enabled": False}}), sidecar)
    assert (done.returncode, done.stdout) == (0, "A value was stored and read.\n")
    assert sidecar.ask("GET", "/v1/cache/db0/helm-test").status == 404


def test_a_cache_that_refuses_fails_the_test(
    shop: Path, start_sidecar: StartSidecar, tmp_path: Path
) -> None:
    """This also holds if no cache is there."""
    (tmp_path / "cache.yaml").write_text("max_value_bytes: 1B")
    sidecar = start_sidecar("--config", str(tmp_path))
    done = _run(render_shop(shop), sidecar)
    assert done.returncode != 0
    assert "PUT was answered with 413" in done.stderr
    sidecar.stop()
    assert _run(render_shop(shop), sidecar).returncode != 0


def test_a_redis_port_that_does_not_serve_the_protocol_fails_the_test(
    shop: Path, sidecar: RunningSidecar
) -> None:
    """Also one on which nobody listens."""
    for port, said in ((sidecar.port, "SET was answered with HTTP/1.1 400"), (free_port(), "ref")):
        sidecar.resp_port = port
        done = _run(render_shop(shop), sidecar)
        assert done.returncode != 0
        assert said in done.stderr


def _run(found: list[Object], sidecar: RunningSidecar) -> subprocess.CompletedProcess[str]:
    """The command of the pod's container, except for the ports."""
    [container] = one(found, "Pod")["spec"]["containers"]
    interpreter, *arguments = container["command"]
    assert interpreter == "python"
    ports = {":7070": f":{sidecar.port}", ":6379": f":{sidecar.resp_port}"}
    variables = {}
    for variable in container["env"]:
        address, colon, port = variable["value"].rpartition(":")
        variables[variable["name"]] = address + ports[colon + port]
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
