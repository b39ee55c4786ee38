"""The ownership of documents, and the rights and the token to read them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.values import DOCUMENT_KEYS, CacheConfig
from tests.helm.charts import Object, helms, objects, of_kind, one
from tests.helm.shop import config_map_of, flags_of, pod_of, render_shop, sidecar_of, volumes_of
from tests.helm.tools import HELMS

TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"


def test_documents_reach_the_pods_as_they_were_written(shop: Path) -> None:
    """Text is unchanged, byte by byte; a map has the same values, large numbers included."""
    text = "# ümlaut\r\nlevel: aggressive\t\r\n\r\ninterval: '1m'  # {{ no template }}\n\n"
    cache = {"tiers": {"l3": {"max_entries": 1000000000}}, "promote_after": 1000000}
    found = render_shop(shop, {"config": {"documents": {"rules.yaml": text, "cache.yaml": cache}}})
    data = config_map_of(found)["data"]
    assert data["rules.yaml"] == text
    assert yaml.safe_load(data["cache.yaml"]) == cache
    assert config_map_of(found)["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_a_change_of_the_documents_restarts_no_pod(shop: Path, plain: list[Object]) -> None:
    """The workload is unchanged: its pods have no checksum annotation."""
    after = render_shop(shop, {"config": {"documents": {"rules.yaml": "level: maximum"}}})
    assert config_map_of(plain) != config_map_of(after)
    assert of_kind(plain, "StatefulSet") == of_kind(after, "StatefulSet")


def test_an_operator_owns_the_config_map_alone(shop: Path, plain: list[Object]) -> None:
    """Helm renders none, so it can't revert an edit; the pods start without one too."""
    found = render_shop(shop, {"config": {"owner": "operator"}})
    assert of_kind(found, "ConfigMap") == []
    volume = volumes_of(found)["cache-sidecar-config"]["configMap"]
    assert volume == {"name": "demo-cache-sidecar", "optional": True}
    assert pod_of(found) == pod_of(plain)


OPERATOR_WAYS = {
    "--set": ["--set=cache-sidecar.config.owner=operator"],
    "a file": ["--values=owner.yaml"],
    "without the documents": [
        "--set=cache-sidecar.config.owner=operator",
        "--set=cache-sidecar.config.documents=null",
    ],
    "a file without the documents": ["--values=null.yaml"],
    "JSON": ['--set-json=cache-sidecar.config={"owner":"operator","documents":null}'],
}


@pytest.mark.parametrize("way", OPERATOR_WAYS)
@pytest.mark.parametrize("major", HELMS)
def test_an_operator_takes_over_from_a_chart_with_documents(
    example: Path, tmp_path: Path, major: str, way: str
) -> None:
    """Whoever installs a chart chooses; its documents are ignored, which a comment says."""
    config = "cache-sidecar: {config: {owner: operator"
    (tmp_path / "owner.yaml").write_text(config + "}}")
    (tmp_path / "null.yaml").write_text(config + ", documents: null}}")
    flags = [flag.replace("--values=", f"--values={tmp_path}/") for flag in OPERATOR_WAYS[way]]
    image = "--set=cache-sidecar.image.repository=registry.example.com/cache-sidecar"
    [done] = helms("template", "demo", str(example), image, *flags, majors=[major]).values()
    assert done.returncode == 0, done.stderr
    found = objects(done.stdout)
    assert [each["metadata"]["name"] for each in of_kind(found, "ConfigMap")] == ["demo"]
    [line] = re.findall("# (config.documents .*)", done.stdout) or [""]
    assert bool(line) == ("documents" not in way and way != "JSON")
    assert not line or "the ConfigMap demo-cache-sidecar" in line


def test_what_an_operator_replaces_is_said_in_the_notes(example: Path) -> None:
    """Without a cluster, only Helm 4 shows notes."""
    stated = "cache-sidecar.image.repository=a,cache-sidecar.config.owner=operator"
    install = ("install", "demo", str(example), "--dry-run=client", "--set", stated)
    [done] = helms(*install, majors=["4"]).values()
    assert "config.documents was ignored (cache.yaml)" in done.stdout.split("NOTES:")[1]


def test_ignored_documents_change_no_size(shop: Path) -> None:
    """Nor are they checked: only the ConfigMap counts."""
    documents = {"cache.yaml": {"tiers": {"l2": {"max_bytes": "1GiB"}}}, "rules.yaml": "- 1"}
    operator = {"owner": "operator"}
    found = render_shop(shop, {"config": operator | {"documents": documents}})
    assert pod_of(found) == pod_of(render_shop(shop, {"config": operator}))


def test_every_document_is_rendered_so_that_helm_owns_its_key(plain: list[Object]) -> None:
    """Helm leaves keys alone that it does not know, such as one that kubectl added."""
    data = config_map_of(plain)["data"]
    assert data.keys() == set(DOCUMENT_KEYS)
    assert parse(data, vocabulary=CATALOGUE.vocabulary).cache == CacheConfig()


def test_the_rights_are_for_one_name(plain: list[Object]) -> None:
    """And for Events; they are bound to the pods' account in their namespace."""
    assert one(plain, "Role")["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["demo-cache-sidecar"],
            "verbs": ["get", "list", "watch"],
        },
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
    ]
    binding = one(plain, "RoleBinding")
    assert binding["roleRef"]["name"] == one(plain, "Role")["metadata"]["name"]
    account = {"kind": "ServiceAccount", "name": "shop", "namespace": "shop"}
    assert binding["subjects"] == [account]
    assert flags_of(sidecar_of(plain))["--configmap"] == config_map_of(plain)["metadata"]["name"]


def test_rights_are_asked_for_only_as_far_as_they_are_used(shop: Path) -> None:
    watch = one(render_shop(shop, {"events": "none"}), "Role")["rules"]
    assert [rule["resources"] for rule in watch] == [["configmaps"]]
    found = render_shop(shop, {"config": {"watch": False}, "serviceAccountName": ""})
    assert of_kind(found, "Role") == of_kind(found, "RoleBinding") == []
    assert flags_of(sidecar_of(found)).keys().isdisjoint({"--configmap", "--events"})
    assert "env" not in sidecar_of(found)
    assert "cache-sidecar-token" not in volumes_of(found)
    granted = render_shop(shop, {"rbac": {"create": False}, "serviceAccountName": ""})
    assert of_kind(granted, "Role") == of_kind(granted, "RoleBinding") == []
    assert "cache-sidecar-token" in volumes_of(granted)


def test_the_token_is_the_sidecars_alone(plain: list[Object]) -> None:
    """It is mounted at the usual path, in the same way as the kubelet does."""
    [mount] = [m for m in sidecar_of(plain)["volumeMounts"] if m["name"] == "cache-sidecar-token"]
    assert mount["mountPath"] == TOKEN_FOLDER
    [application] = pod_of(plain)["containers"]
    assert "volumeMounts" not in application
    sources = volumes_of(plain)["cache-sidecar-token"]["projected"]["sources"]
    files = [
        source["serviceAccountToken"]["path"]
        if "serviceAccountToken" in source
        else [item["path"] for kind in source.values() for item in kind["items"]]
        for source in sources
    ]
    assert files == ["token", ["ca.crt"], ["namespace"]]
