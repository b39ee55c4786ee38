"""`auth.existingSecret`: the sidecar, the application and `helm test` have that Secret's token."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.conftest import StartSidecar
from tests.helm.accepted import faults
from tests.helm.charts import Object, RefusedError, one
from tests.helm.shop import Values, make_shop, pod_of, render_shop, sidecar_of
from tests.running import PATIENCE_SECONDS, RunningSidecar, wait_until

TOKEN, SECOND = "s3cr3t-of-the-shop", "an0ther-s3cret"
VALUES: Values = {"auth": {"existingSecret": "shop-token", "existingSecretKey": "cache"}}
REFERENCE = {"secretKeyRef": {"name": "shop-token", "key": "cache"}}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shop(tmp_path_factory.mktemp("charts") / "shop")


@pytest.fixture(scope="module")
def found(shop: Path) -> list[Object]:
    return render_shop(shop, VALUES)


def by_name(items: list[Any], name: str) -> Any:
    [item] = [each for each in items if each["name"] == name]
    return item


def test_only_the_sidecar_has_the_secret_as_a_file(found: list[Object]) -> None:
    """A file follows the Secret. In the application's containers it is a variable."""
    assert faults(found, "1.36") == []
    for pod in (pod_of(found), one(found, "Pod")["spec"]):
        volume = by_name(pod["volumes"], "cache-sidecar-auth")
        items = [{"key": "cache", "path": "token"}]
        assert volume["secret"] == {"secretName": "shop-token", "items": items}
        [sidecar] = pod["initContainers"]
        mount = by_name(sidecar["volumeMounts"], "cache-sidecar-auth")
        assert mount["readOnly"] is True
        assert file_of(sidecar) == f"{mount['mountPath']}/token"
        for container in pod["containers"]:
            assert by_name(container["env"], "CACHE_SIDECAR_TOKEN")["valueFrom"] == REFERENCE
            mounts = container.get("volumeMounts", [])
            assert "cache-sidecar-auth" not in {each["name"] for each in mounts}


def file_of(container: Object) -> str:
    return str(by_name(container["env"], "CACHE_SIDECAR_TOKEN_FILE")["value"])


def test_without_it_there_is_no_trace_of_it(shop: Path) -> None:
    assert "cache-sidecar-auth" not in str(found := render_shop(shop))
    assert "'name': 'CACHE_SIDECAR_TOKEN" not in str(found)


def test_the_probes_need_no_token(found: list[Object]) -> None:
    """The kubelet has none: they are those of the ops port."""
    container = sidecar_of(found)
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[kind]["httpGet"]["port"] == "cache-ops"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"extraArgs": ["--token-file=/x"]}, "extraArgs: --token-file is set by auth"),
        (
            {"extraEnv": [{"name": "CACHE_SIDECAR_TOKEN_FILE", "value": "/x"}]},
            "extraEnv: CACHE_SIDECAR_TOKEN_FILE is set by auth",
        ),
        (
            {"extraVolumeMounts": [{"name": "x", "mountPath": "/etc/cache-sidecar-auth"}]},
            "already a mount point",
        ),
    ],
)
def test_what_would_contradict_it_is_refused(shop: Path, more: Values, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        render_shop(shop, VALUES | more)


def test_the_flag_may_be_set_without_it(shop: Path) -> None:
    """For a token that something else puts into a volume."""
    found = render_shop(shop, {"extraArgs": ["--token-file=/vault/token"]})
    assert "--token-file=/vault/token" in sidecar_of(found)["args"]


def test_the_pod_of_helm_test_has_the_token(
    found: list[Object], start_sidecar: StartSidecar, tmp_path: Path
) -> None:
    """It puts and gets with the right one, and fails with another. The program takes the file that
    the chart names, in a folder of the test instead of the mount.
    """
    file = Path(f"{tmp_path}{file_of(sidecar_of(found))}")
    file.parent.mkdir(parents=True)
    file.write_text(f"{TOKEN}\n")
    sidecar = start_sidecar(CACHE_SIDECAR_TOKEN_FILE=str(file))
    assert run_test_of(found, sidecar, TOKEN).stdout == "A value was stored and read.\n"
    assert "PUT was answered with 401" in run_test_of(found, sidecar, SECOND).stderr
    file.write_text(SECOND)
    wait_until(lambda: run_test_of(found, sidecar, SECOND).returncode == 0, "it is followed")


def expanded(variables: list[Any], token: str, ports: dict[str, str]) -> dict[str, str]:
    """What the kubelet makes of the variables, with other ports: `$(NAME)` is replaced if NAME is
    above.
    """
    found: dict[str, str] = {}
    for each in variables:
        text = token if each.get("valueFrom") == REFERENCE else each["value"]
        text = re.sub(r"\$\((\w+)\)", lambda name: found.get(name[1], name[0]), text)
        before, colon, port = text.rpartition(":")
        found[each["name"]] = before + colon + ports.get(port, port)
    return found


def test_a_redis_client_has_the_token_by_its_url_alone(
    found: list[Object], start_sidecar: StartSidecar, tmp_path: Path
) -> None:
    """Kubernetes puts the token into it. Without it in the URL, the client is refused."""
    (tmp_path / "token").write_text(TOKEN)
    sidecar = start_sidecar("--token-file", str(tmp_path / "token"))
    [application] = pod_of(found)["containers"]
    ports = {"6379": str(sidecar.resp_port)}
    url = expanded(application["env"], TOKEN, ports)["CACHE_SIDECAR_REDIS_URL"]
    assert url == f"redis://default:{TOKEN}@127.0.0.1:{sidecar.resp_port}"
    with redis.Redis.from_url(url) as client:
        assert client.set("key", "value")
        assert client.get("key") == b"value"
    with (
        redis.Redis.from_url(url.replace(f"default:{TOKEN}@", "")) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.get("key")


def run_test_of(
    found: list[Object], sidecar: RunningSidecar, token: str
) -> subprocess.CompletedProcess[str]:
    """The command of the pod, with what its variables stand for."""
    [container] = one(found, "Pod")["spec"]["containers"]
    ports = {"7070": sidecar.port, "6379": sidecar.resp_port}
    variables = expanded(container["env"], token, {port: str(its) for port, its in ports.items()})
    return subprocess.run(
        [sys.executable, *container["command"][1:]],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
