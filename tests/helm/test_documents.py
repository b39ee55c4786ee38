"""The ownership of documents, and the rights and the token to read them."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.helm.charts import Object, of_kind, one
from tests.helm.shop import config_map_of, flags_of, pod_of, render_shop, sidecar_of, volumes_of

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
