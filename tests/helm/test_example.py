"""The example's chart renders to what a cluster takes, its application's pods included."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helm.accepted import faults, pods
from tests.helm.charts import IMAGE, OPERATOR, Object, helms, of_kind, one, render
from tests.helm.restricted import violations


@pytest.mark.parametrize("kube", ["1.29", "1.33", "1.36", "1.37"])
def test_a_cluster_takes_the_example(example: Path, kube: str) -> None:
    """The pods too, in a namespace that enforces *restricted*: with the application's container."""
    found = render(example, IMAGE, kube=kube, apis=OPERATOR)
    assert faults(found, kube) == []
    [pod] = pods(of_kind(found, "Deployment"))
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["cache-sidecar"]
    assert [each["name"] for each in pod["spec"]["containers"]] == ["web"]
    assert violations(pod["spec"]) == []


def test_the_example_has_all_that_it_needs(rendered: list[Object]) -> None:
    """The Service reaches its pods, and every object that the pods name is there."""
    [pod] = pods(of_kind(rendered, "Deployment"))
    selector = one(rendered, "Service")["spec"]["selector"]
    assert selector.items() <= pod["metadata"]["labels"].items()
    accounts = {each["metadata"]["name"] for each in of_kind(rendered, "ServiceAccount")}
    assert pod["spec"]["serviceAccountName"] in accounts
    maps = {each["metadata"]["name"] for each in of_kind(rendered, "ConfigMap")}
    named = {each["configMap"]["name"] for each in pod["spec"]["volumes"] if "configMap" in each}
    assert named == maps


def test_the_example_works_without_the_sidecar(example: Path) -> None:
    """Switched off by its value, it leaves nothing of itself and a pod that is sound."""
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
