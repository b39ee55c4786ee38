"""L3's volume and the container's memory match each other, the documents and the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.limits import L3_SPARE_BYTES
from sidecar.config.quantities import parse_size
from sidecar.config.values import CacheConfig
from tests.helm.accepted import faults, pods
from tests.helm.charts import Object, one
from tests.helm.pods import amount
from tests.helm.restricted import violations
from tests.helm.shop import (
    Values,
    config_map_of,
    flags_of,
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
"""All kinds of volumes for L3."""


@pytest.fixture(scope="module")
def by_kind(shop: Path) -> dict[str, list[Object]]:
    """Values by the kind of L3's volume."""
    return {
        kind: render_shop(shop, {"replicas": 1, "l3": {"type": kind, **more}})
        for kind, more in L3.items()
    }


@pytest.mark.parametrize("kind", L3)
def test_every_kind_of_volume_is_accepted_with_the_whole_pod(
    by_kind: dict[str, list[Object]], kind: str
) -> None:
    """Also where Pod Security *restricted* is enforced, with the application's container."""
    assert faults(by_kind[kind], "1.36") == []
    assert [violations(pod["spec"]) for pod in pods(by_kind[kind])] == [[], []]  # and of helm test


def test_the_volume_is_what_was_asked_for(by_kind: dict[str, list[Object]]) -> None:
    """With its size, and with a group only if the volume would otherwise belong to root."""
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
    """The program's limit is 90 % of it, since a full volume leads to the eviction of the pod."""
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
    """The program reads the rendered documents and finds that they fit memory and volume."""
    documents = {} if cache is None else {"cache.yaml": cache}
    found = render_shop(shop, {"config": {"documents": documents}})
    container = sidecar_of(found)
    limits = container["resources"]["limits"]
    document = parse(
        config_map_of(found)["data"],
        vocabulary=CATALOGUE.vocabulary,
        memory_limit_bytes=int(amount(limits["memory"])),
        data_limit_bytes=parse_size(flags_of(container)["--data-limit"]),
    )
    stated = yaml.safe_load(cache) if isinstance(cache, str) else cache
    assert (
        document.cache
        == parse(
            {"cache.yaml": yaml.safe_dump(stated or {})}, vocabulary=CATALOGUE.vocabulary
        ).cache
    )
    tiers = document.cache.tiers
    held = sum(tier.max_bytes for tier in (tiers.l1, tiers.l2) if tier.enabled)
    need = 104 * 2**20 + 1.15 * held + 16 * (tiers.l3.max_entries if tiers.l3.enabled else 0)
    requested = amount(container["resources"]["requests"]["memory"])
    assert need <= requested <= need + 2**20
    limit = need * 1.25 + 32 * 2**20
    assert limit - 2 <= amount(limits["memory"]) <= limit + 2**20


def test_without_a_volume_the_program_runs_without_l3(by_kind: dict[str, list[Object]]) -> None:
    """The data limit disables L3; the documents do not mention it."""
    container = sidecar_of(by_kind["none"])
    limit = parse_size(flags_of(container)["--data-limit"])
    assert not parse(
        {}, vocabulary=CATALOGUE.vocabulary, data_limit_bytes=limit
    ).cache.tiers.l3.enabled
    assert parse({}, vocabulary=CATALOGUE.vocabulary).cache == CacheConfig()
