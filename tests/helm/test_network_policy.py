"""The NetworkPolicy: it closes no port of the application, and allows the sidecar's traffic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contracts.pages import blocks
from tests.helm.accepted import faults
from tests.helm.charts import SIDECAR, RefusedError, of_kind, one
from tests.helm.shop import make_shop, render_shop

README = (SIDECAR / "README.md").read_text()
WEB = {"ports": [{"port": 8080, "protocol": "TCP"}]}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shop(tmp_path_factory.mktemp("charts") / "shop")


def test_there_is_no_network_policy_unless_it_is_asked_for(shop: Path) -> None:
    assert not of_kind(render_shop(shop, {}), "NetworkPolicy")


def test_a_network_policy_has_to_be_told_the_applications_rules(shop: Path) -> None:
    """It selects the whole pod, and would close ports that it does not name."""
    with pytest.raises(RefusedError, match=r"networkPolicy\.ingress is required"):
        render_shop(shop, {"networkPolicy": {"enabled": True}})
    found = render_shop(shop, {"networkPolicy": {"enabled": True, "ingress": []}})
    assert len(one(found, "NetworkPolicy")["spec"]["ingress"]) == 1


def test_a_network_policy_opens_the_ops_port_beside_the_applications(shop: Path) -> None:
    """For the stated scrapers; egress is unrestricted."""
    scraper = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    values = {"enabled": True, "ingress": [WEB], "scrapers": [scraper]}
    found = render_shop(shop, {"networkPolicy": values, "ports": {"ops": 9000}})
    assert faults(found, "1.36") == []
    assert one(found, "NetworkPolicy")["spec"] == {
        "podSelector": {"matchLabels": {"cache-sidecar/instance": "demo"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"port": 9000, "protocol": "TCP"}], "from": [scraper]}, WEB],
    }


@pytest.mark.parametrize(
    ("values", "ports"),
    [({}, [443, 6443]), ({"config": {"watch": False}}, [])],
)
def test_a_network_policy_lets_the_watch_reach_the_api_server(
    shop: Path, values: dict[str, Any], ports: list[int]
) -> None:
    """If egress is restricted, and the sidecar uses the API server."""
    policy = {"enabled": True, "ingress": [], "egress": [WEB]}
    found = render_shop(shop, values | {"networkPolicy": policy})
    assert faults(found, "1.36") == []
    spec = one(found, "NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["egress"][-1] == WEB
    opened = [port["port"] for rule in spec["egress"][:-1] for port in rule["ports"]]
    assert opened == ports


def test_nothing_may_leave_where_egress_is_an_empty_list(shop: Path) -> None:
    """An empty list is not the same as no list."""
    policy = {"enabled": True, "ingress": [], "egress": []}
    found = render_shop(
        shop, {"networkPolicy": policy, "config": {"watch": False}, "events": "none"}
    )
    assert one(found, "NetworkPolicy")["spec"]["egress"] == []


def test_the_network_policy_that_is_shown_is_accepted(shop: Path) -> None:
    [shown] = [block for block in blocks("yaml", README) if "networkPolicy:" in block]
    found = render_shop(shop, yaml.safe_load(shown)["cache-sidecar"])
    assert faults(found, "1.36") == []
    assert len(one(found, "NetworkPolicy")["spec"]["ingress"]) == 2
