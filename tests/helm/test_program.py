"""The interface between the chart and the program: flags, and the keys of `cache.yaml`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from helm import schema
from sidecar.catalogue import CATALOGUE
from sidecar.cli.serve import serve
from sidecar.config.schema import Cache
from tests.helm.charts import SIDECAR, Object, RefusedError
from tests.helm.shop import (
    OLD_WORKLOAD,
    WORKLOAD,
    Values,
    flags_of,
    make_shop,
    pod_of,
    render_shop,
    sidecar_of,
)

SCHEMA_TEXT = (SIDECAR / "values.schema.json").read_text()
SCHEMA: dict[str, Any] = json.loads(SCHEMA_TEXT)
SOCKETS = {"--data-socket": "dataSocket.path", "--resp-socket": "redisSocket.path"}
MODE = "--data-socket-mode"
OTHERS = {
    *(*SOCKETS, MODE, "--resp-bind", "--token-file", "--origin-allow", "--warm-dir"),
    *("--greet", "--help"),
}
"""Flags that the chart does not set by default."""


def container_of(folder: Path, workload: str, values: Values, kube: str) -> Object:
    return sidecar_of(render_shop(make_shop(folder / "shop", workload), values, kube=kube))


@pytest.mark.parametrize(
    ("workload", "values", "kube"),
    [
        (WORKLOAD, {}, "1.36"),
        (OLD_WORKLOAD, {"config": {"watch": False}}, "1.28"),
        (WORKLOAD, {"l3": {"type": "none"}, "opsAddress": "[::]", "events": "all"}, "1.36"),
        (
            WORKLOAD,
            {
                "dataSocket": {"path": "/run/cache/socket"},
                "redisSocket": {"path": "/run/cache/redis"},
                "ports": {"redis": 6380},
                "extraVolumeMounts": [{"name": "cache-sidecar-data", "mountPath": "/run/cache"}],
            },
            "1.36",
        ),
    ],
    ids=["native sidecar", "container that does not watch", "everything else", "sockets"],
)
def test_the_program_takes_the_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workload: str, values: Values, kube: str
) -> None:
    """And the environment variables, with their names and values."""
    container = container_of(tmp_path, workload, values, kube)
    for variable in container.get("env", []):
        monkeypatch.setenv(variable["name"], "of-the-pod")
    command, *arguments = container["args"]
    assert command == serve.name
    context = serve.make_context(command, arguments)
    for variable in container.get("env", []):
        name = variable["name"].removeprefix("CACHE_SIDECAR_").lower()
        assert context.params[name] == "of-the-pod"


def test_the_chart_sets_every_flag_or_knows_that_it_does_not(tmp_path: Path) -> None:
    """extraArgs must not have a flag that the chart sets; the error names the value to use."""
    container = container_of(tmp_path, WORKLOAD, {}, "1.36")
    text = (SIDECAR / "templates" / "_problems_container.tpl").read_text()
    [definition] = re.findall(r'define "cache-sidecar.flags" -}}\n(.*?){{- end', text, re.DOTALL)
    refused = set(yaml.safe_load(definition))
    of_program = {option for parameter in serve.params for option in parameter.opts} | {"--help"}
    in_environment = {
        "--" + variable["name"].removeprefix("CACHE_SIDECAR_").lower().replace("_", "-")
        for variable in container["env"]
    }
    set_by_chart = {argument.split("=")[0] for argument in container["args"][1:]} | in_environment
    assert set_by_chart == refused == of_program - OTHERS


@pytest.mark.parametrize("flag", SOCKETS)
def test_the_chart_sets_the_flags_of_a_socket_that_is_asked_for(tmp_path: Path, flag: str) -> None:
    """In a volume that its group may use, which the pod's other containers belong to."""
    name = SOCKETS[flag].partition(".")[0]
    volume: Values = {
        "dataSocket": {"mode": "0666"},
        "extraVolumeMounts": [{"name": "cache-sidecar-data", "mountPath": "/run/cache"}],
    }

    def at(path: str) -> Values:
        return volume | {name: volume.get(name, {}) | {"path": path}}

    shop = make_shop(tmp_path / "shop")
    found = render_shop(shop, at("/run/cache/socket"))
    flags = flags_of(sidecar_of(found))
    stated = {each: flags.get(each) for each in (*SOCKETS, MODE)}
    assert stated == dict.fromkeys(SOCKETS) | {flag: "/run/cache/socket", MODE: "0666"}
    assert pod_of(found)["securityContext"]["fsGroup"] == 65532
    for each, value in ((flag, SOCKETS[flag]), (MODE, "dataSocket.mode")):
        with pytest.raises(RefusedError, match=f"extraArgs: {each} is set by {value}"):
            render_shop(shop, at("/run/cache/socket") | {"extraArgs": [f"{each}=x"]})
    with pytest.raises(RefusedError, match=f"{SOCKETS[flag]} .* is in no volume of extraVolumeM"):
        render_shop(shop, at("/run/cachesocket"))


@pytest.mark.parametrize(
    "path", ["/run/a #b", '/run/"a"', "/run/{a}", "/run/a b", "/run/\\a", "/run/'a"]
)
def test_a_path_is_passed_on_as_it_is(tmp_path: Path, path: str) -> None:
    """Not as YAML, to which ` #` begins a comment."""
    values: Values = {"dataSocket": {"path": path}, "redisSocket": {"path": f"{path}2"}}
    values["extraVolumeMounts"] = [{"name": "a", "mountPath": "/run"}]
    flags = flags_of(sidecar_of(render_shop(make_shop(tmp_path / "shop"), values)))
    assert (flags["--data-socket"], flags["--resp-socket"]) == (path, f"{path}2")


def test_the_schema_knows_the_keys_of_cache_yaml() -> None:
    """Those of the program and the options of its policies, and no others; the program validates
    their values.
    """
    keys = {*_fields(Cache), *_policy_options()}
    assert set(_keys(SCHEMA["properties"]["config"])) == keys


def test_the_schema_of_cache_yaml_is_the_generated_one() -> None:
    """With the keys, types and bounds of the program and the options of its policies."""
    made = schema.updated(SCHEMA_TEXT, CATALOGUE.vocabulary)
    assert made == SCHEMA_TEXT, "values.schema.json: run make chart-docs"


def _policy_options() -> Iterator[str]:
    policies = CATALOGUE.vocabulary.policies
    for tier in ("l1", "l2", "l3"):
        for form in policies.values():
            if tier != "l3" or form.on_disk:
                yield from (f"tiers.{tier}.{option.name}" for option in form.options)


def _keys(config: dict[str, Any]) -> Iterator[str]:
    document = config["properties"]["documents"]["properties"]["cache.yaml"]
    yield from _properties(document)


def _properties(node: dict[str, Any], path: str = "") -> Iterator[str]:
    if "$ref" in node:
        node = SCHEMA["definitions"][node["$ref"].removeprefix("#/definitions/")]
    for either in node.get("anyOf", []):
        yield from _properties(either, path)
    for name, below in node.get("properties", {}).items():
        yield f"{path}{name}"
        yield from _properties(below, f"{path}{name}.")


def _fields(model: type[BaseModel], path: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{path}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields(field.annotation, f"{path}{name}.")
