"""The configuration values of the program, and the revision of a document."""

from __future__ import annotations

import hashlib
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.values import (
    DOCUMENT_KEYS,
    CacheConfig,
    Document,
    revision,
)

texts = st.dictionaries(st.sampled_from(DOCUMENT_KEYS), st.text(max_size=20))


def test_defaults_are_those_of_the_design() -> None:
    """Without a document: 100 entries in 10 MiB, 1,000 in 100 MiB, 10,000 in 1 GiB; an hour."""
    cache = CacheConfig()
    tiers = cache.tiers
    assert (tiers.l1.max_entries, tiers.l1.max_bytes) == (100, 10 << 20)
    assert (tiers.l2.max_entries, tiers.l2.max_bytes) == (1000, 100 << 20)
    assert (tiers.l3.max_entries, tiers.l3.max_bytes) == (10_000, 1 << 30)
    assert {tiers.l1.policy, tiers.l2.policy, tiers.l3.policy} == {"lru"}
    assert (tiers.l2.compression, tiers.l3.timeout_seconds) == ("zstd", 1.0)
    assert (cache.promote_after, cache.default_ttl_seconds) == (2, 3600.0)
    assert (cache.max_value_bytes, cache.durability) == (8 << 20, "process")


def test_a_value_can_neither_be_changed_nor_extended() -> None:
    """Several parts of the program share a value, which must be the same for all."""
    with pytest.raises(FrozenInstanceError):
        CacheConfig().promote_after = 3  # type: ignore[misc]
    assert not hasattr(CacheConfig(), "__dict__")


def test_equal_configurations_hash_alike() -> None:
    """A document can be a key of a mapping or a member of a set."""
    assert len({Document.default(), Document.default()}) == 1


def test_revision_of_nothing_is_the_hash_of_nothing() -> None:
    """Without any key the revision is the SHA-256 of no bytes."""
    assert revision({}) == hashlib.sha256(b"").hexdigest()


def test_absent_and_empty_keys_have_different_revisions() -> None:
    """A key that is there but empty is a change of the document."""
    assert len({revision({}), *(revision({key: ""}) for key in DOCUMENT_KEYS)}) == 5


@given(texts, texts)
def test_revisions_are_equal_only_for_equal_documents(
    one: dict[str, str], other: dict[str, str]
) -> None:
    """Moving text from one key to the next makes another document."""
    assert (revision(one) == revision(other)) == (one == other)


@given(texts)
def test_revision_ignores_the_order_and_the_keys_of_others(mapping: dict[str, str]) -> None:
    """The order in a directory and other files have no effect."""
    shuffled = {"README.md": "hello", **dict(reversed(mapping.items()))}
    assert revision(shuffled) == revision(mapping)
