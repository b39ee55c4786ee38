"""What the chart gives to the one that calls it: the sidecar, its volumes, documents and rights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.config.document import parse
from sidecar.config.limits import L3_SPARE_BYTES
from sidecar.config.quantities import parse_size
from sidecar.config.values import CacheConfig
from sidecar.optimizer.vocabulary import vocabulary
from tests.helm.accepted import faults, pods
from tests.helm.charts import SIDECAR, VERSIONS, Object, chart_of_ones_own, of_kind, one, render
from tests.helm.pods import amount
from tests.helm.restricted import violations
from tests.helm.shop import (
    OLD_WORKLOAD,
    STATED,
    WORKLOAD,
    Values,
    make_shop,
    pod_of,
    render_shop,
    sidecar_of,
    volumes_of,
)

L3: dict[str, Values] = {
    "emptyDir": {},
    "ephemeral": {"storageClassName": "fast"},
    "volumeClaimTemplate": {"storageClassName": ""},
    "existingClaim": {"existingClaim": "claim"},
    "none": {},
}
"""Every place where L3 can be."""
TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shop(tmp_path_factory.mktemp("templates") / "shop")


@pytest.fixture(scope="module")
def plain(shop: Path) -> list[Object]:
    """With nothing stated but what has to be."""
    return render_shop(shop)


@pytest.fixture(scope="module")
def by_kind(shop: Path) -> dict[str, list[Object]]:
    """By where L3 is."""
    return {
        kind: render_shop(shop, {"replicas": 1, "l3": {"type": kind, **more}})
        for kind, more in L3.items()
    }


def flags_of(container: Object) -> dict[str, str]:
    """The flags that the program is started with."""
    assert container["args"][0] == "serve"
    return dict(argument.split("=", 1) for argument in container["args"][1:])


def test_a_native_sidecar_starts_first_and_ends_last(plain: list[Object]) -> None:
    """It is an init container that is kept running, and has no reason to linger."""
    [container] = pod_of(plain)["initContainers"]
    assert container == sidecar_of(plain)
    assert container["restartPolicy"] == "Always"
    assert container["startupProbe"]["httpGet"] == {"path": "/livez", "port": "cache-ops"}
    assert flags_of(container)["--linger"] == "0s"


def test_on_older_clusters_it_lingers_beside_the_application(tmp_path: Path) -> None:
    """As nothing tells the application's end from its own."""
    found = render_shop(make_shop(tmp_path / "shop", OLD_WORKLOAD), kube="1.28")
    assert sidecar_of(found) in pod_of(found)["containers"]
    assert "restartPolicy" not in sidecar_of(found)
    assert flags_of(sidecar_of(found))["--linger"] == "25s"
    assert faults(found, "1.28") == []


@pytest.mark.parametrize("kind", L3)
def test_every_kind_of_volume_is_accepted_with_the_whole_pod(
    by_kind: dict[str, list[Object]], kind: str
) -> None:
    """Also where Pod Security *restricted* is enforced, the application's container included."""
    assert faults(by_kind[kind], "1.36") == []
    assert [violations(pod["spec"]) for pod in pods(by_kind[kind])] == [[], []]  # and of helm test


def test_the_volume_is_what_was_asked_for(by_kind: dict[str, list[Object]]) -> None:
    """With its size, and the group only where a volume would belong to root."""
    sources = {kind: volumes_of(of).get("cache-sidecar-data") for kind, of in by_kind.items()}
    [claim] = one(by_kind["volumeClaimTemplate"], "StatefulSet")["spec"]["volumeClaimTemplates"]
    ephemeral = sources["ephemeral"]
    assert ephemeral is not None
    asked = ephemeral["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "resources": {"requests": {"storage": "2560Mi"}},
    }
    assert asked == claim["spec"] | {"storageClassName": "fast"}
    assert sources["volumeClaimTemplate"] is None
    assert claim["metadata"]["name"] == "cache-sidecar-data"
    data = {"name": "cache-sidecar-data"}
    assert sources["emptyDir"] == data | {"emptyDir": {"sizeLimit": "2560Mi"}}
    assert sources["existingClaim"] == data | {"persistentVolumeClaim": {"claimName": "claim"}}
    group = {"fsGroup": 65532, "fsGroupChangePolicy": "OnRootMismatch"}
    assert {kind: pod_of(of)["securityContext"] for kind, of in by_kind.items()} == {
        "emptyDir": None,
        "ephemeral": group,
        "volumeClaimTemplate": group,
        "existingClaim": group,
        "none": None,
    }


@pytest.mark.parametrize("size", ["74Mi", "2560MiB", "3G", "1.5Gi", "1T"])
def test_l3_stays_below_the_size_of_its_volume(shop: Path, size: str) -> None:
    """The program's limit is nine tenths of it, since an overfull volume evicts the pod."""
    found = render_shop(shop, {"l3": {"size": size}})
    volume = amount(volumes_of(found)["cache-sidecar-data"]["emptyDir"]["sizeLimit"])
    limit = parse_size(flags_of(sidecar_of(found))["--data-limit"])
    assert volume == (amount(size.removesuffix("B")) if size.endswith("iB") else amount(size))
    assert limit == int(volume * 0.9)
    assert limit > L3_SPARE_BYTES
    assert amount(sidecar_of(found)["resources"]["requests"]["ephemeral-storage"]) == volume


@pytest.mark.parametrize(
    "cache",
    [
        None,
        {"tiers": {"l1": {"max_bytes": "1GiB"}, "l2": {"enabled": False}}},
        {"tiers": {"l1": {"enabled": False, "max_bytes": "8GiB"}, "l2": {"max_bytes": 3000000000}}},
        "tiers: {l2: {max_bytes: 1.5GiB}, l3: {max_bytes: 1120MiB, max_entries: 10000000}}\n",
        {"tiers": {"l3": {"max_bytes": "64Mi", "timeout": "2s"}}, "durability": "disk"},
        "tiers: {l3: {enabled: false}}\n",
        "# nothing\n",
    ],
)
def test_the_program_takes_the_documents_within_the_limits(shop: Path, cache: Any) -> None:
    """What Helm renders is read by the program, which finds it to fit memory and volume."""
    documents = {} if cache is None else {"cache.yaml": cache}
    found = render_shop(shop, {"config": {"documents": documents}})
    container = sidecar_of(found)
    limits = container["resources"]["limits"]
    document = parse(
        config_map(found)["data"],
        vocabulary=vocabulary(),
        memory_limit_bytes=int(amount(limits["memory"])),
        data_limit_bytes=parse_size(flags_of(container)["--data-limit"]),
    )
    stated = yaml.safe_load(cache) if isinstance(cache, str) else cache
    assert (
        document.cache
        == parse({"cache.yaml": yaml.safe_dump(stated or {})}, vocabulary=vocabulary()).cache
    )
    tiers = document.cache.tiers
    held = sum(tier.max_bytes for tier in (tiers.l1, tiers.l2) if tier.enabled)
    need = 139 * 2**20 + 1.15 * held
    requested = amount(container["resources"]["requests"]["memory"])
    assert need <= requested <= need + 2**20
    assert need * 1.25 - 2 <= amount(limits["memory"]) <= need * 1.25 + 2**20


def config_map(found: list[Object]) -> Object:
    """The one with the documents."""
    return one(found, "ConfigMap")


def test_without_a_volume_the_program_runs_without_l3(by_kind: dict[str, list[Object]]) -> None:
    """Without a word of the documents."""
    container = sidecar_of(by_kind["none"])
    limit = parse_size(flags_of(container)["--data-limit"])
    assert not parse({}, vocabulary=vocabulary(), data_limit_bytes=limit).cache.tiers.l3.enabled
    assert parse({}, vocabulary=vocabulary()).cache == CacheConfig()


def test_documents_reach_the_pods_as_they_were_written(shop: Path) -> None:
    """Text to the byte; a map by what it means, large numbers too."""
    text = "# ümlaut\r\nlevel: aggressive\t\r\n\r\ninterval: '1m'  # {{ no template }}\n\n"
    cache = {"tiers": {"l3": {"max_entries": 1000000000}}, "promote_after": 1000000}
    found = render_shop(shop, {"config": {"documents": {"rules.yaml": text, "cache.yaml": cache}}})
    data = config_map(found)["data"]
    assert data["rules.yaml"] == text
    assert yaml.safe_load(data["cache.yaml"]) == cache
    assert config_map(found)["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_a_change_of_the_documents_restarts_no_pod(shop: Path, plain: list[Object]) -> None:
    """The workload is the same: there is no checksum on its pods."""
    after = render_shop(shop, {"config": {"documents": {"rules.yaml": "level: maximum"}}})
    assert config_map(plain) != config_map(after)
    assert of_kind(plain, "StatefulSet") == of_kind(after, "StatefulSet")


def test_an_operator_owns_the_config_map_alone(shop: Path, plain: list[Object]) -> None:
    """Helm renders none, so it can't take an edit back; the pods start without one as well."""
    found = render_shop(shop, {"config": {"owner": "operator"}})
    assert of_kind(found, "ConfigMap") == []
    volume = volumes_of(found)["cache-sidecar-config"]["configMap"]
    assert volume == {"name": "demo-cache-sidecar", "optional": True}
    assert pod_of(found) == pod_of(plain)


def test_the_rights_are_for_one_name(plain: list[Object]) -> None:
    """And for Events, bound to the pods' account in their namespace."""
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
    assert flags_of(sidecar_of(plain))["--configmap"] == config_map(plain)["metadata"]["name"]


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
    """Mounted where clients look for it, as the kubelet mounts it where it does so by itself."""
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


def test_switched_off_it_leaves_the_pod_as_it_was(shop: Path, tmp_path: Path) -> None:
    """No object is left, and the templates give nothing, whatever the other values are."""
    found = render(shop, {"cache-sidecar": {"enabled": False, "ports": {"data": 7071}}})
    assert [thing["kind"] for thing in found] == ["StatefulSet"]
    bare = "\n".join(line for line in WORKLOAD.splitlines() if "CONTEXT" not in line)
    (tmp_path / "bare").mkdir()
    assert found == render(
        chart_of_ones_own(tmp_path / "bare" / "shop", {"w.yaml": bare}),
        {"cache-sidecar": {"enabled": False}},
    )


def test_an_alias_changes_no_name(plain: list[Object], tmp_path: Path) -> None:
    """And the parent's `global` values are welcome."""
    aliased = make_shop(tmp_path / "shop", alias="cache")
    values = {"cache": STATED, "global": {"anything": {"else": [1]}}}
    assert render(aliased, values) == plain


def test_two_sidecars_in_one_release_are_told_apart(tmp_path: Path) -> None:
    """By their instance: two dependencies, one of them with an alias."""
    second = WORKLOAD.replace("CONTEXT", '(index .Subcharts "second")').replace("shop", "other")
    first = WORKLOAD.replace("CONTEXT", '(index .Subcharts "first")')
    shop = chart_of_ones_own(
        tmp_path / "shop", {"first.yaml": first, "second.yaml": second}, alias="first"
    )
    metadata = yaml.safe_load((shop / "Chart.yaml").read_text())
    metadata["dependencies"] += [metadata["dependencies"][0] | {"alias": "second"}]
    (shop / "Chart.yaml").write_text(yaml.safe_dump(metadata))
    found = render(shop, {"first": STATED, "second": STATED | {"instance": "other"}})
    assert faults(found, "1.36") == []
    names = [thing["metadata"]["name"] for thing in of_kind(found, "ConfigMap")]
    assert names == ["demo-cache-sidecar", "other-cache-sidecar"]


@pytest.mark.parametrize("kube", [VERSIONS[1], VERSIONS[-1]])
def test_the_longest_names_are_accepted(shop: Path, kube: str) -> None:
    """Of a release, an instance, an account; and names that YAML would take for numbers."""
    long = {"instance": "i" * 63, "serviceAccountName": "s" * 253}
    found = render_shop(shop, long, kube=kube, release="r" * 53, namespace="n" * 63)
    assert faults(found, kube) == []
    digits = {"instance": "1", "serviceAccountName": "2", "config": {"name": "0x10"}}
    found = render_shop(shop, digits, kube=kube, release="1e3", namespace="007")
    assert faults(found, kube) == []


def test_the_image_is_named_by_its_digest_or_tag(shop: Path) -> None:
    """The chart's version unless one is stated; a digest goes before a tag."""
    version = yaml.safe_load((SIDECAR / "Chart.yaml").read_text())["appVersion"]
    name, digest = "registry.example.com:5000/a/b", "sha256:" + "0" * 64

    def image(**stated: str) -> str:
        found = render_shop(shop, {"image": {"repository": name, **stated}})
        return str(sidecar_of(found)["image"])

    assert image() == f"{name}:{version}"
    assert image(tag="1.10") == f"{name}:1.10"
    assert image(tag="1.10", digest=digest) == f"{name}@{digest}"


def test_everything_of_the_container_can_be_overridden(shop: Path) -> None:
    """Down to what is taken away by null."""
    found = render_shop(
        shop,
        {
            "resources": {"requests": {"cpu": None, "memory": "4Gi"}, "limits": {"a.b/nic": 1}},
            "securityContext": {"runAsUser": None, "runAsGroup": 7, "capabilities": {"add": ["X"]}},
            "probes": {"startup": None, "liveness": {"periodSeconds": 3}},
            "extraArgs": ["--data-socket=/run/cache/socket"],
            "extraEnv": [{"name": "TZ", "value": "UTC"}],
            "extraVolumeMounts": [{"name": "cache-sidecar-data", "mountPath": "/run/cache"}],
            "ports": {"data": 1, "ops": 2},
            "opsAddress": "[::]",
            "linger": "1m30s",
            "token": {"expirationSeconds": 10000000},
            "log": {"format": "tree", "level": "debug"},
            "events": "all",
        },
    )
    assert faults(found, "1.36") == []
    container = sidecar_of(found)
    assert container["resources"] == {
        "requests": {"memory": "4Gi", "ephemeral-storage": "2560Mi"},
        "limits": {"memory": "4096Mi", "a.b/nic": 1},
    }
    context = container["securityContext"]
    assert "runAsUser" not in context
    assert context["runAsGroup"] == 7
    assert context["capabilities"] == {"add": ["X"], "drop": ["ALL"]}
    assert "startupProbe" not in container
    assert container["livenessProbe"]["periodSeconds"] == 3
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert {"name": "TZ", "value": "UTC"} in container["env"]
    assert container["ports"] == [{"name": "cache-ops", "containerPort": 2, "protocol": "TCP"}]
    flags = flags_of(container)
    assert flags["--data-bind"] == "127.0.0.1:1"
    assert flags["--ops-bind"] == "[::]:2"
    assert flags["--linger"] == "1m30s"
    assert flags["--data-socket"] == "/run/cache/socket"
    assert flags["--events"] == "all"
    token = volumes_of(found)["cache-sidecar-token"]["projected"]["sources"][0]
    assert token["serviceAccountToken"]["expirationSeconds"] == 10000000
    [application] = pod_of(found)["containers"]
    assert application["env"] == [{"name": "CACHE_SIDECAR_URL", "value": "http://127.0.0.1:1"}]
