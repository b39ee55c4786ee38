"""What two rooms must agree on, since neither may import the other."""

from __future__ import annotations

import pytest

from sidecar.config.limits import L3_SPARE_BYTES, largest_l3_bytes
from sidecar.config.schema import DISK_POLICIES
from sidecar.config.values import MIB
from sidecar.l3.eviction import SCORES
from sidecar.l3.space import SLACK_BYTES, most_live_bytes


def test_every_policy_that_l3_offers_has_a_score() -> None:
    """And every score is offered."""
    assert sorted(SCORES) == sorted(DISK_POLICIES)


@pytest.mark.parametrize("data_limit", [0, 1, 64 * MIB, 64 * MIB + 1, 200 * MIB, 10_000 * MIB])
def test_what_may_be_configured_is_what_l3_may_hold(data_limit: int) -> None:
    """A size that the configuration takes is never capped by L3's process."""
    assert largest_l3_bytes(data_limit) == most_live_bytes(data_limit)
    assert L3_SPARE_BYTES == SLACK_BYTES
