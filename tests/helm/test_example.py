"""A cluster accepts the rendered chart of the example, including its application's pods."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from tests.contracts.pages import shell_lines
from tests.helm.accepted import faults, pods
from tests.helm.charts import EXAMPLE, IMAGE, OPERATOR, Object, helms, objects, of_kind, one, render
from tests.helm.restricted import violations

README = (EXAMPLE / "README.md").read_text()


@pytest.mark.parametrize("kube", ["1.29", "1.33", "1.36", "1.37"])
def test_a_cluster_takes_the_example(example: Path, kube: str) -> None:
    """This includes the pods with the application's container, where *restricted* is enforced."""
    found = render(example, IMAGE, kube=kube, apis=OPERATOR)
    assert faults(found, kube) == []
    [pod] = pods(of_kind(found, "Deployment"))
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["cache-sidecar"]
    assert [each["name"] for each in pod["spec"]["containers"]] == ["web"]
    assert violations(pod["spec"]) == []


def test_the_example_has_all_that_it_needs(rendered: list[Object]) -> None:
    """The Service selects its pods, and every object that the pods name exists."""
    [pod] = pods(of_kind(rendered, "Deployment"))
    selector = one(rendered, "Service")["spec"]["selector"]
    assert selector.items() <= pod["metadata"]["labels"].items()
    accounts = {each["metadata"]["name"] for each in of_kind(rendered, "ServiceAccount")}
    assert pod["spec"]["serviceAccountName"] in accounts
    maps = {each["metadata"]["name"] for each in of_kind(rendered, "ConfigMap")}
    named = {each["configMap"]["name"] for each in pod["spec"]["volumes"] if "configMap" in each}
    assert named == maps


def test_the_example_works_without_the_sidecar(example: Path) -> None:
    """Disabled by its value, it leaves no objects and a valid pod."""
    found = render(example, {"cache-sidecar": {"enabled": False}}, apis=OPERATOR)
    assert faults(found, "1.36") == []
    [pod] = pods(found)
    assert not pod["spec"]["initContainers"]
    assert not [each for each in found if "cache-sidecar" in str(each.get("spec"))]


def test_the_example_is_well_formed(example: Path) -> None:
    """`helm lint --strict`, by both Helms."""
    stated = "cache-sidecar.image.repository=registry.example.com/cache-sidecar"
    for done in helms("lint", "--strict", str(example), "--set", stated).values():
        assert done.returncode == 0, done.stdout


def test_the_commands_of_its_readme_install_and_change_it(example: Path) -> None:
    """Helm renders them, and the objects that kubectl names exist."""
    commands = [shlex.split(line) for line in shell_lines(README)]
    [install] = [line for line in commands if line[:2] == ["helm", "install"]]
    [upgrade] = [line for line in commands if line[:2] == ["helm", "upgrade"]]
    assert ["helm", "dependency", "build", "helm/example-app"] in commands
    assert install[2] == upgrade[2] == "example"
    assert install[3] == upgrade[3] == "helm/example-app"
    for done in helms("template", "example", str(example), *install[4:]).values():
        found = objects(done.stdout)
    forwarded = [line[2] for line in commands if line[:2] == ["kubectl", "port-forward"]]
    names = {f"{thing['kind'].lower()}/{thing['metadata']['name']}" for thing in found}
    assert set(forwarded) <= names
    [change] = [upgrade[at + 1] for at, flag in enumerate(upgrade) if flag == "--set"]
    for done in helms("template", "example", str(example), *install[4:], "--set", change).values():
        [changed] = [
            yaml.safe_load(each["data"]["cache.yaml"])
            for each in of_kind(objects(done.stdout), "ConfigMap")
            if "cache.yaml" in each["data"]
        ]
        assert changed["default_ttl"] == "1m"
        assert changed["tiers"]["l2"] == {"max_bytes": "32MiB"}, "the others are as they were"


def test_its_documents_are_taken_by_the_program(rendered: list[Object]) -> None:
    [documents] = [
        each["data"] for each in of_kind(rendered, "ConfigMap") if "cache.yaml" in each["data"]
    ]
    document = parse(documents, vocabulary=CATALOGUE.vocabulary)
    assert document.cache.tiers.l3.max_bytes == 128 * 2**20
