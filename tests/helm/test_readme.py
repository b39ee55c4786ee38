"""The pages about the chart, compared with the chart: snippets, figures and values."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm import docs
from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from tests.contracts.pages import blocks, read, section, shell_lines
from tests.helm.accepted import faults, pods
from tests.helm.charts import ROOT, SIDECAR, Object, chart_of_ones_own, helms, of_kind, one, render
from tests.helm.restricted import violations
from tests.helm.shop import STATED, sidecar_of, volumes_of
from tests.helm.tools import HELMS, KUBECTL

README = (SIDECAR / "README.md").read_text()
VALUES_TEXT = (SIDECAR / "values.yaml").read_text()
VALUES: dict[str, Any] = yaml.safe_load(VALUES_TEXT)
SCHEMA: dict[str, Any] = json.loads((SIDECAR / "values.schema.json").read_text())
QUICK_START = section(read("README.md"), "Five minutes to Kubernetes")
GUIDE = read("docs/kubernetes.md")
COMMANDS = shell_lines(QUICK_START) + shell_lines(GUIDE)
NO_VALUES = {"global", "calledWith"}
"""Values in the schema that are not documented: those of the parent, and the marker."""


@pytest.fixture(scope="module")
def quick_start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the steps of the README were followed, with a clone next to the chart."""
    folder = tmp_path_factory.mktemp("quick-start")
    (folder / "cache-sidecar").symlink_to(ROOT)
    dependencies, values, deployment = blocks("yaml", QUICK_START)
    shop = folder / "shop"
    (shop / "templates").mkdir(parents=True)
    (shop / "Chart.yaml").write_text(f"apiVersion: v2\nname: shop\nversion: 1.0.0\n{dependencies}")
    (shop / "values.yaml").write_text(values)
    (shop / "templates" / "deployment.yaml").write_text(deployment)
    [done] = helms("dependency", "update", str(shop), majors=[next(iter(HELMS))]).values()
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("major", HELMS)
def test_the_quick_start_leads_to_pods_with_a_sidecar(quick_start: Path, major: str) -> None:
    """It takes four lines in a Deployment, after `helm dependency update` with either Helm."""
    [deployment] = [block for block in blocks("yaml", QUICK_START) if "kind: Deployment" in block]
    assert deployment.count("{{- include") == 4
    shop = quick_start / "shop"
    shutil.rmtree(shop / "charts", ignore_errors=True)
    [update] = [line for line in COMMANDS if line.startswith("helm dependency")]
    assert update.split()[1:] == ["dependency", "update", "shop"]
    [done] = helms("dependency", "update", str(shop), majors=[major]).values()
    assert done.returncode == 0, done.stderr
    [install] = [line for line in COMMANDS if line.startswith("helm upgrade")]
    assert install.split()[1:] == ["upgrade", "--install", "shop", "shop"]
    found = render(shop, release="shop")
    assert faults(found, "1.36") == []
    [pod] = pods(of_kind(found, "Deployment"))
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["cache-sidecar"]
    assert violations(pod["spec"]) == []
    [shop] = pod["spec"]["containers"]
    assert {each["name"]: each["value"] for each in shop["env"]} == {
        "CACHE_SIDECAR_URL": "http://127.0.0.1:7070",
        "CACHE_SIDECAR_REDIS_URL": "redis://127.0.0.1:6379",
    }


def test_the_image_that_is_pushed_is_the_one_that_is_pulled(quick_start: Path) -> None:
    """By its name and its tag, which is also that of `make image`."""
    [push] = [line for line in shell_lines(QUICK_START) if line.startswith("make push")]
    name = push.partition("IMAGE=")[2]
    [pod] = pods(of_kind(render(quick_start / "shop", release="shop"), "Deployment"))
    [sidecar] = pod["spec"]["initContainers"]
    assert sidecar["image"] == name
    dry = ["make", "--dry-run", "image", "BUILDER=podman"]
    done = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"--tag cache-sidecar:{name.rpartition(':')[2]} " in done.stdout


def test_the_commands_name_what_is_installed(quick_start: Path) -> None:
    """The Deployment, and the ConfigMap that its pods watch."""
    found = render(quick_start / "shop", release="shop")
    [forward] = [line for line in COMMANDS if line.startswith("kubectl port-forward")]
    name, port = forward.split()[2:]
    assert name == f"deployment/{one(found, 'Deployment')['metadata']['name']}"
    [pod] = pods(of_kind(found, "Deployment"))
    [sidecar] = pod["spec"]["initContainers"]
    assert f"--data-bind=127.0.0.1:{port}" in sidecar["args"]
    [edit] = [line for line in COMMANDS if line.startswith("kubectl edit")]
    assert f"--configmap={edit.split()[-1]}" in sidecar["args"]


@pytest.mark.parametrize("text", [GUIDE, README], ids=["project", "chart"])
def test_the_config_map_that_kubectl_makes_is_the_one_that_pods_watch(
    tmp_path: Path, text: str
) -> None:
    """The program accepts its documents."""
    (tmp_path / "cache.yaml").write_text("tiers: {l1: {policy: sieve}}")
    (tmp_path / "rules.yaml").write_text("level: aggressive")
    [line] = [line for line in shell_lines(text) if line.startswith("kubectl create configmap ")]
    command = [str(KUBECTL), *shlex.split(line)[1:], "--dry-run=client", "--output=json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    made = json.loads(done.stdout)
    assert made["metadata"]["name"] == "shop-cache-sidecar"
    assert parse(made["data"], vocabulary=CATALOGUE.vocabulary).revision
    assert set(made["data"]) <= {"cache.yaml", "rules.yaml"}


def test_the_stateful_set_of_the_charts_readme_is_accepted(tmp_path: Path) -> None:
    """With every template in its place, and with the documents shown there."""
    workload, documents, *_ = blocks("yaml", README)
    shop = chart_of_ones_own(tmp_path / "shop", {"workload.yaml": workload})
    stated = yaml.safe_load(documents)["cache-sidecar"]
    values = STATED | stated | {"l3": {"type": "volumeClaimTemplate"}}
    found = render(shop, {"cache-sidecar": values})
    assert faults(found, "1.36") == []
    assert [violations(pod["spec"]) for pod in pods(found)] == [[], []]
    [claim] = one(found, "StatefulSet")["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "cache-sidecar-data"
    document = parse(one(found, "ConfigMap")["data"], vocabulary=CATALOGUE.vocabulary)
    assert document.cache.tiers.l2.max_entries == 100000
    assert document.optimizer.level == "aggressive"


def test_the_versions_are_those_of_the_program() -> None:
    """The default tag of the image is the program's version; the README uses the chart's."""
    chart = yaml.safe_load((SIDECAR / "Chart.yaml").read_text())
    assert chart["appVersion"] == version("cache-sidecar")
    [dependency] = yaml.safe_load(blocks("yaml", QUICK_START)[0])["dependencies"]
    assert dependency["version"] == chart["version"]


def test_the_values_on_the_page_are_below_the_name_of_the_dependency(quick_start: Path) -> None:
    """Each block, as it stands, in the chart of the quick start."""
    found = [
        render(quick_start / "shop", yaml.safe_load(block), release="shop")
        for block in blocks("yaml", GUIDE)
    ]
    documents, owned = (of_kind(each, "ConfigMap") for each in found)
    assert yaml.safe_load(documents[0]["data"]["cache.yaml"]) == {"default_ttl": "10m"}
    assert owned == []


def test_a_config_map_is_created_before_it_is_edited() -> None:
    words = [line.split()[1] for line in shell_lines(GUIDE) if line.startswith("kubectl ")]
    assert words.index("create") < words.index("edit")


def test_every_template_is_explained() -> None:
    """The templates that other charts may call, and no others."""
    text = (SIDECAR / "templates" / "_pod.tpl").read_text()
    rows = re.findall(r"^\| `(cache-sidecar\.\w+)` \|", README, re.MULTILINE)
    assert sorted(rows) == sorted(re.findall(r'define "(cache-sidecar\.\w+)"', text))


def test_the_figures_are_those_of_the_defaults(plain: list[Object]) -> None:
    resources = sidecar_of(plain)["resources"]
    request, limit = resources["requests"]["memory"], resources["limits"]["memory"]
    assert f"request {request} and are limited to {limit}" in README
    assert f"{request[:-2]} MiB are requested, {limit[:-2]} MiB are the limit" in GUIDE
    assert volumes_of(plain)["cache-sidecar-data"]["emptyDir"]["sizeLimit"] == "2560Mi"
    assert "an `emptyDir` of 2.5 GiB" in GUIDE


def test_the_table_of_values_is_made_from_their_comments() -> None:
    """`make chart-docs` generates it."""
    assert docs.updated(README, VALUES_TEXT) == README


def test_every_value_is_described() -> None:
    """By its own comment, or by that of its section."""
    described = {value.path for value in docs.described(VALUES_TEXT)}

    def missing(node: dict[str, Any], path: str = "") -> Iterator[str]:
        for name, value in node.items():
            if (here := f"{path}{name}") in described:
                continue
            if isinstance(value, dict) and value:
                yield from missing(value, f"{here}.")
            else:
                yield here

    assert set(missing(VALUES)) == {"calledWith"}


def test_the_schema_knows_every_value_and_no_other() -> None:
    """Section by section, for values of the chart itself and not those of Kubernetes."""
    properties = SCHEMA["properties"]
    assert properties.keys() - NO_VALUES == VALUES.keys() - NO_VALUES
    for name, section_of in properties.items():
        if "properties" in section_of and name not in {"resources", "lifecycle"}:
            assert section_of["properties"].keys() == VALUES[name].keys(), name
            assert section_of["additionalProperties"] is False
