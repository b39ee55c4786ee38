"""Tiers that are closed after the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.l3.tier import Tier

OpenTier = Callable[..., Tier]


@pytest.fixture
def open_tier(tmp_path: Path) -> Iterator[OpenTier]:
    """Opens tiers over databases of this test."""
    opened: list[Tier] = []

    def open_one(**options: Any) -> Tier:
        opened.append(Tier(tmp_path / f"db{len(opened)}", **options))
        return opened[-1]

    yield open_one
    for tier in opened:
        tier.close()
