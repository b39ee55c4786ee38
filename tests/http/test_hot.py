"""GET /v1/hot: what is read most, over either protocol and from any tier."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.chaos.redis import Redis, over_tcp
from tests.conftest import StartSidecar
from tests.running import RunningSidecar, problem, wait_until


def hot(sidecar: RunningSidecar, query: str = "") -> list[Any]:
    keys: list[Any] = json.loads(sidecar.ask("GET", f"/v1/hot{query}").body)["keys"]
    return keys


def read_until_hot(sidecar: RunningSidecar, reads: dict[str, int]) -> None:
    """Over HTTP and over the Redis protocol, until the order of the keys is known."""
    redis = Redis(over_tcp(sidecar.resp_port), "shop")
    for key in reads:
        sidecar.ask("PUT", f"/v1/cache/shop/{key}", b"v")
    wanted = sorted(reads, key=lambda key: -reads[key])

    def is_known() -> bool:
        for key, times in reads.items():
            for _ in range(times):
                assert sidecar.ask("GET", f"/v1/cache/shop/{key}").status == 200
            assert redis.ask(*[[b"GET", key.encode()]] * times) is not None
        return [each["key"] for each in hot(sidecar)][: len(wanted)] == wanted

    wait_until(is_known, "the hot keys are known")
    redis.drop()


def test_what_is_read_most_comes_first(sidecar: RunningSidecar) -> None:
    """With its rate, and where it is."""
    read_until_hot(sidecar, {"a": 2, "b/1": 8, "c": 4})
    first, second, third = hot(sidecar)
    assert (first["namespace"], first["path"]) == ("shop", "/v1/cache/shop/b/1")
    assert first["per_second"] > second["per_second"] > third["per_second"] > 0
    assert first["error_per_second"] == 0
    assert [each["key"] for each in hot(sidecar, "?limit=1")] == ["b/1"]


@pytest.mark.parametrize(
    "tiers", ["l3: {enabled: false}", "l1: {enabled: false}, l2: {enabled: false}"]
)
def test_it_is_known_whichever_tiers_there_are(
    start_sidecar: StartSidecar, tmp_path: Any, tiers: str
) -> None:
    """Without L3, that hears of reads otherwise; and from L3 alone."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "cache.yaml").write_text(f"tiers: {{{tiers}}}\n")
    sidecar = start_sidecar("--config", str(tmp_path / "config"))
    read_until_hot(sidecar, {"a": 2, "b": 8})


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "namespace=shop"])
def test_other_parameters_are_refused(sidecar: RunningSidecar, query: str) -> None:
    problem(sidecar.ask("GET", f"/v1/hot?{query}"), 400)
