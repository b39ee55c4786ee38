"""The contract of tiers for L3, under all its policies: the engine over a real RocksDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.testing.tiers import SEED, Make, TierContract
from tests.l3.tier import Tier


class OnDisk:
    """An engine adapted to the contract."""

    def __init__(self, folder: Path, policy: str, max_entries: int, max_bytes: int) -> None:
        self.tier = Tier(
            folder, policy=policy, max_entries=max_entries, max_bytes=max_bytes, seed=SEED
        )

    def put(self, key: bytes, value: bytes) -> list[bytes]:
        return self.tier.write(self.tier.a_put(key, value))[1]

    def get(self, key: bytes) -> bytes | None:
        return self.tier.value(key)

    def delete(self, key: bytes) -> None:
        self.tier.delete(key)

    def resize(self, max_entries: int, max_bytes: int) -> None:
        self.tier.configure(self.tier.policy, max_entries, max_bytes)

    def change_policy(self, name: str) -> None:
        self.tier.configure(name, self.tier.limits.max_entries, self.tier.limits.max_bytes)

    def drain(self) -> list[bytes]:
        return self.tier.drain()

    @property
    def entries(self) -> int:
        return self.tier.engine.entries

    @property
    def used_bytes(self) -> int:
        return self.tier.engine.used_bytes


@pytest.mark.parametrize("policy", sorted(CATALOGUE.policies.scores))
class TestL3(TierContract):
    @pytest.fixture
    def make(self, policy: str, tmp_path: Path) -> Iterator[Make]:
        made: list[OnDisk] = []

        def make(max_entries: int, max_bytes: int) -> OnDisk:
            made.append(OnDisk(tmp_path / f"db{len(made)}", policy, max_entries, max_bytes))
            return made[-1]

        yield make
        for tier in made:
            tier.tier.close()
