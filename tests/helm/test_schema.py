"""values.schema.json: every value has a type, and both Helms reject wrong ones by name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.helm.accepted import faults
from tests.helm.charts import SIDECAR, RefusedError, helms, objects, render
from tests.helm.shop import (
    STATED,
    config_map_of,
    flags_of,
    make_shop,
    render_shop,
    sidecar_of,
    volumes_of,
)
from tests.helm.wrong_values import (
    OF_EVERY_TYPE,
    Steps,
    Wrong,
    batches,
    document,
    nodes,
    wrong_values,
)

SCHEMA: dict[str, Any] = json.loads((SIDECAR / "values.schema.json").read_text())
DEFAULTS: dict[str, Any] = yaml.safe_load((SIDECAR / "values.yaml").read_text())
WRONG = list(wrong_values(SCHEMA))
NEEDED: dict[Steps, str] = {
    ("image",): "image.repository is required",
    ("image", "repository"): "image.repository is required",
    ("serviceAccountName",): "serviceAccountName is required",
    **{("probes", name, "httpGet"): f"probes.{name} has no handler" for name in DEFAULTS["probes"]},
    ("calledWith",): "calledWith",
}
"""The values that are needed and have no default to fall back to, with what is said without."""
OPEN = {
    ("global",),
    ("config", "documents", "baselines.yaml"),
    ("config", "documents", "rules.yaml"),
    ("lifecycle", "postStart"),
    ("lifecycle", "preStop"),
    ("extraEnv", 0, "valueFrom"),
    ("podMonitor", "relabelings", 0),
    ("podMonitor", "metricRelabelings", 0),
    ("networkPolicy", "ingress", 0),
    ("networkPolicy", "scrapers", 0),
    ("networkPolicy", "egress", 0),
}
"""Maps that are passed on unchanged: to Kubernetes, the operator, or the sidecar's own check."""


def test_the_defaults_are_allowed() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert not list(Draft7Validator(SCHEMA).iter_errors(DEFAULTS))


def test_every_default_is_in_the_schema() -> None:
    known = {path for path, _ in nodes(SCHEMA)}
    for path in _paths(DEFAULTS):
        assert {path, (*path[:-1], "key")} & known, f"{path} is not in values.schema.json"


def test_every_value_has_a_type() -> None:
    """At every path at most two of the five types are valid, such as a number that may be text."""
    refused = {(wrong.path, json.dumps(wrong.value)) for wrong in WRONG}
    of_types = [json.dumps(value) for value in OF_EVERY_TYPE]
    for path, _ in nodes(SCHEMA):
        passing = [each for each in of_types if path and (path, each) not in refused]
        assert len(passing) <= 2, f"{path} takes {passing}"


def test_no_map_takes_keys_that_it_does_not_know() -> None:
    """Except for maps that are passed on."""
    maps = {
        path
        for path, node in nodes(SCHEMA)
        if "object" in node.get("type", ()) and "additionalProperties" not in node
    }
    assert maps == OPEN


def test_each_wrong_value_alone_is_refused() -> None:
    """Each is set on top of the defaults, which are valid."""
    validator = Draft7Validator(SCHEMA)
    for wrong in WRONG:
        values = _merged(DEFAULTS, document([wrong]))
        assert not validator.is_valid(values), f"{wrong} is taken"


@pytest.mark.parametrize("batch", list(batches(WRONG)), ids=lambda batch: f"{len(batch)} values")
def test_both_helms_refuse_each_wrong_value_by_name(batch: list[Wrong]) -> None:
    """They name all errors of a run, so many values are tried in one."""
    values = json.dumps(document(batch))
    for major, done in helms("template", "demo", str(SIDECAR), "--values=-", stdin=values).items():
        assert done.returncode != 0
        named = NAMED[major](done.stderr)
        assert not {_name(wrong) for wrong in batch} - named, f"Helm {major} said: {done.stderr}"


def test_null_is_allowed_for_every_value_of_the_chart() -> None:
    """Except for the marker, and for items of lists, which have no defaults to take away."""
    refusing = [
        path
        for path, node in nodes(SCHEMA)
        if path and 0 not in path and not Draft7Validator(_alone(node)).is_valid(None)
    ]
    assert refusing == [("global",), ("calledWith",)]


def test_null_takes_a_default_away(tmp_path: Path) -> None:
    """The value is then empty, or where it cannot be, the default; the rest is not affected.

    So it is for every value, also in another chart's values.yaml.
    """
    shop = make_shop(tmp_path / "shop")
    kept = {("global",), *NEEDED}
    nulls = [
        Wrong(path, None)
        for path, _ in nodes(SCHEMA)
        if path and path not in kept and not {0, "key", "exec", "tcpSocket", "grpc"} & set(path)
    ]
    assert {null.path for null in nulls} >= set(_paths(DEFAULTS)) - kept - {
        ("dashboards", "labels", "grafana_dashboard"),
        ("resources", "requests", "cpu"),
    }
    for batch in batches(nulls):
        values = {"cache-sidecar": _merged(STATED, document(batch))}
        (shop / "values.yaml").write_text("")
        assert faults(render(shop, values), "1.36") == []
        (shop / "values.yaml").write_text(json.dumps(values))
        for done in helms("template", "demo", str(shop)).values():
            assert done.returncode == 0, done.stderr
            assert faults(objects(done.stdout), "1.36") == []


@pytest.mark.parametrize("path", sorted(NEEDED))
def test_a_null_for_what_is_needed_is_refused(tmp_path: Path, path: Steps) -> None:
    with pytest.raises(RefusedError) as refused:
        render_shop(make_shop(tmp_path / "shop"), document([Wrong(path, None)]))
    for said in refused.value.said.values():
        assert NEEDED[path] in said


def test_null_takes_away_what_another_chart_has_set(tmp_path: Path) -> None:
    """In a values file and with `--set`, also where the default has no such key."""
    stated = STATED | {
        "config": {"documents": {"cache.yaml": {"promote_after": 3, "default_ttl": "1m"}}},
        "podMonitor": {"labels": {"team": "a"}},
        "ports": {"data": 1},
        "l3": {"storageClassName": "fast", "type": "ephemeral"},
    }
    shop = make_shop(tmp_path / "shop")
    (shop / "values.yaml").write_text(json.dumps({"cache-sidecar": stated}))
    paths = ["config.documents.cache\\.yaml.promote_after", "podMonitor.labels.team", "ports.data"]
    paths += ["l3.storageClassName", "l3.type", "image.tag", "config.documents.rules\\.yaml"]
    flags = [f"--set=cache-sidecar.{path}=null" for path in paths]
    file = tmp_path / "nulls.yaml"
    file.write_text(
        "cache-sidecar: {config: {documents: {cache.yaml: {promote_after: null},"
        " rules.yaml: null}}, podMonitor: {labels: {team: null}},"
        " ports: {data: null}, image: {tag: null}, l3: {storageClassName: null, type: null}}"
    )
    found = [
        objects(done.stdout)
        for ways in (flags, [f"--values={file}"])
        for done in helms("template", "demo", str(shop), *ways).values()
    ]
    assert found[0]
    assert all(each == found[0] for each in found)
    data = config_map_of(found[0])["data"]
    assert yaml.safe_load(data["cache.yaml"]) == {"default_ttl": "1m"}
    assert flags_of(sidecar_of(found[0]))["--data-bind"] == "127.0.0.1:7070"
    assert "emptyDir" in volumes_of(found[0])["cache-sidecar-data"]


def _alone(node: dict[str, Any]) -> dict[str, Any]:
    return {**node, "definitions": SCHEMA["definitions"]}


def _of_helm_3(said: str) -> set[str]:
    """The paths in its errors, dotted, with `unknown` for an unknown key."""
    found = re.findall(r"^- (\S+?): (Additional property (\S+))?", said, re.MULTILINE)
    return {_joined(path.replace("(root)", ""), key) for path, _, key in found}


def _of_helm_4(said: str) -> set[str]:
    found = re.findall(r"- at '/?(.*?)': (additional properties '(\w+)')?", said)
    return {_joined(path.replace("/", "."), key) for path, _, key in found}


NAMED = {"3": _of_helm_3, "4": _of_helm_4}


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}".strip(".")


def _name(wrong: Wrong) -> str:
    return ".".join(str(step) for step in wrong.path)


def _paths(values: dict[str, Any], above: Steps = ()) -> Iterator[Steps]:
    for name, value in values.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from _paths(value, (*above, name))


def _merged(values: Any, more: Any) -> Any:
    """Merged like Helm: maps key by key, everything else replaced."""
    if not isinstance(values, dict) or not isinstance(more, dict):
        return more
    return values | {name: _merged(values.get(name), value) for name, value in more.items()}
