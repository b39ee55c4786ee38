"""`redis`: the application's containers have the address at which the sidecar listens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli.serve import serve
from tests.helm.accepted import faults
from tests.helm.charts import Object, helms
from tests.helm.shop import STATED, Values, flags_of, make_shop, pod_of, render_shop, sidecar_of

DEFAULT = "redis://127.0.0.1:6379"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shop(tmp_path_factory.mktemp("charts") / "shop")


def variables(found: list[Object]) -> dict[str, str]:
    """Those of the application, without what comes from a Secret."""
    [application] = pod_of(found)["containers"]
    return {each["name"]: each["value"] for each in application["env"] if "value" in each}


def started(found: list[Object]) -> dict[str, Any]:
    """The settings of the program with the arguments of the sidecar."""
    command, *arguments = sidecar_of(found)["args"]
    return serve.make_context(command, arguments).params


def test_the_default_port_is_not_stated(shop: Path) -> None:
    """The program then runs without the protocol if the pod has a Redis on it, as after an upgrade
    of the chart; a port that is stated and taken would end the pod.
    """
    found = render_shop(shop)
    assert "--resp-bind" not in flags_of(sidecar_of(found))
    assert started(found)["resp_bind"] == ("127.0.0.1", 6379)
    assert variables(found)["CACHE_SIDECAR_REDIS_URL"] == DEFAULT
    assert "REDIS_URL" not in variables(found)


def test_another_port_is_that_of_the_sidecar_and_of_the_address(shop: Path) -> None:
    found = render_shop(shop, {"ports": {"redis": 6380}, "redis": {"setRedisUrl": True}})
    assert started(found)["resp_bind"] == ("127.0.0.1", 6380)
    for name in ("CACHE_SIDECAR_REDIS_URL", "REDIS_URL"):
        assert variables(found)[name] == "redis://127.0.0.1:6380"


def test_an_address_that_is_derived_from_the_token_follows_it(shop: Path) -> None:
    """Kubernetes expands only variables that are defined above."""
    auth: Values = {"auth": {"existingSecret": "shop-token"}, "redis": {"setRedisUrl": True}}
    found = render_shop(shop, auth)
    assert faults(found, "1.36") == []
    [application] = pod_of(found)["containers"]
    names = [each["name"] for each in application["env"]]
    for name in ("CACHE_SIDECAR_REDIS_URL", "REDIS_URL"):
        assert variables(found)[name] == "redis://default:$(CACHE_SIDECAR_TOKEN)@127.0.0.1:6379"
        assert names.index("CACHE_SIDECAR_TOKEN") < names.index(name)


def test_it_can_be_switched_off(shop: Path) -> None:
    """Nothing listens, and there is no address."""
    found = render_shop(shop, {"redis": {"enabled": False}})
    assert started(found)["resp_bind"] is None
    assert variables(found) == {"CACHE_SIDECAR_URL": "http://127.0.0.1:7070"}


def test_a_null_is_the_default(shop: Path) -> None:
    """As for every value that cannot be absent."""
    nulls: list[Values] = [
        {"redis": None, "redisSocket": None},
        {"redis": {"enabled": None, "setRedisUrl": None}, "ports": {"redis": None}},
    ]
    for values in nulls:
        assert render_shop(shop, values) == render_shop(shop)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_notes_say_how_to_move_it(tmp_path: Path, *, enabled: bool) -> None:
    """Its port, and the values for a pod that has a Redis; nothing if it is off. Without a cluster,
    only Helm 4 shows notes.
    """
    shop = make_shop(tmp_path / "shop")
    values = {"cache-sidecar": STATED | {"redis": {"enabled": enabled}}}
    (shop / "values.yaml").write_text(json.dumps(values))
    flags = ("install", "shop", str(shop), "--dry-run=client", "--render-subchart-notes")
    [done] = helms(*flags, majors=["4"]).values()
    notes = done.stdout.partition("NOTES:")[2]
    assert ("by CACHE_SIDECAR_REDIS_URL, on 127.0.0.1:6379" in notes) is enabled
    assert ("redis.enabled: false" in notes) is enabled
