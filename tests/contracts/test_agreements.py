"""Agreements between two packages that may not import each other."""

from __future__ import annotations

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.config.limits import L3_SPARE_BYTES, largest_l3_bytes
from sidecar.config.values import MIB
from sidecar.l3.records import pack_meta, unpack_meta
from sidecar.l3.space import SLACK_BYTES, most_live_bytes
from sidecar.policies.spec import import_score


@pytest.mark.parametrize("policy", CATALOGUE.policies.scores)
def test_every_score_orders_what_l3_stores(policy: str) -> None:
    """L3's process imports a score by the path in the catalogue and calls it with its metadata."""
    score = import_score(CATALOGUE.policies.scores[policy])
    row = unpack_meta(pack_meta((7, 70.0, 60.0, 3, 100)))
    assert isinstance(score(row), int | float | tuple)


@pytest.mark.parametrize("data_limit", [0, 1, 64 * MIB, 64 * MIB + 1, 200 * MIB, 10_000 * MIB])
def test_what_may_be_configured_is_what_l3_may_hold(data_limit: int) -> None:
    """L3's process never caps a size that the configuration accepts."""
    assert largest_l3_bytes(data_limit) == most_live_bytes(data_limit)
    assert L3_SPARE_BYTES == SLACK_BYTES
