"""cache.yaml -> values, or all of its errors with line and field."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.errors import InvalidDocument
from sidecar.config.values import DEFAULT_BASELINES, DOCUMENT_KEYS, CacheConfig, revision
from sidecar.config.vocabulary import PolicyForm

VOCABULARY = CATALOGUE.vocabulary
MIB = 1 << 20

DESIGN = """
tiers:
  l1: {policy: lru, max_entries: 100, max_bytes: 10MiB}
  l2: {policy: lru, max_entries: 1000, max_bytes: 100MiB, compression: zstd}
  l3: {policy: lru, max_entries: 10000, max_bytes: 1GiB, timeout: 1s}   # any tier: enabled: false
promote_after: 2
default_ttl: 1h            # never: no expiry
max_value_bytes: 8MiB
durability: process       # process | memory | disk
metrics: {namespaces: []}
"""


def configured(text: str) -> CacheConfig:
    """The configuration in a valid cache.yaml."""
    return parse({"cache.yaml": text}, vocabulary=VOCABULARY).cache


def mistakes(text: str) -> list[str]:
    """The errors in a cache.yaml, one line each."""
    with pytest.raises(InvalidDocument) as caught:
        configured(text)
    return [str(error) for error in caught.value.errors]


def test_the_example_of_the_documentation_is_the_default() -> None:
    """The documented cache.yaml gives the same configuration as an empty one."""
    assert configured(DESIGN) == CacheConfig()


@pytest.mark.parametrize(
    "text", ["", "# nothing yet\n", "---\n", "{}", "tiers: {}", "tiers: {l1: {}}"]
)
def test_a_text_that_states_nothing_leaves_the_defaults(text: str) -> None:
    """An empty file is valid, and so is one with only comments."""
    assert configured(text) == CacheConfig()


def test_no_text_at_all_is_the_default_document() -> None:
    """Without any key, the document is the default, including its revision."""
    document = parse({}, vocabulary=VOCABULARY)
    assert (document.texts, document.revision) == ({}, revision({}))
    assert (document.cache, document.baselines) == (CacheConfig(), DEFAULT_BASELINES)


def test_every_key_reaches_its_value() -> None:
    """Stated values arrive in bytes and seconds; the others are defaults."""
    cache = configured("""
        tiers:
          l1: {policy: w_tinylfu, window: 0.2, max_entries: 7, max_bytes: 1Mi}
          l2: {enabled: false, policy: sieve, max_entries: 8, compression: none}
          l3: {policy: ttl, max_entries: 9, max_bytes: 2GiB, timeout: 250ms}
        promote_after: 3
        default_ttl: never
        max_value_bytes: 512KiB
        durability: disk
        metrics: {namespaces: [pages, db0, pages]}
    """)
    l1, l2, l3 = cache.tiers.l1, cache.tiers.l2, cache.tiers.l3
    assert (l1.policy, l1.policy_options) == ("w_tinylfu", {"window": 0.2})
    assert (l1.enabled, l1.max_entries, l1.max_bytes) == (True, 7, MIB)
    assert (l2.enabled, l2.policy, l2.max_entries) == (False, "sieve", 8)
    assert (l2.max_bytes, l2.compression) == (100 * MIB, "none")
    assert (l3.policy, l3.max_entries, l3.max_bytes) == ("ttl", 9, 2 << 30)
    assert (l3.timeout_seconds, cache.promote_after) == (0.25, 3)
    assert (cache.default_ttl_seconds, cache.max_value_bytes) == (math.inf, 512 << 10)
    assert (cache.durability, cache.metrics.namespaces) == ("disk", ("pages", "db0"))


def test_texts_and_revision_are_those_of_the_four_keys() -> None:
    """Other files are neither kept nor part of the revision, and need not be YAML."""
    texts = {"cache.yaml": "promote_after: 3", "rules.yaml": "level: balanced"}
    document = parse({**texts, "README.md": "a: ["}, vocabulary=VOCABULARY)
    assert document.texts == texts
    assert document.revision == revision(texts)
    assert document.cache.promote_after == 3


def test_every_text_must_be_yaml() -> None:
    """An error in any of the four texts rejects the document, and all errors are reported."""
    with pytest.raises(InvalidDocument) as caught:
        parse(dict.fromkeys(DOCUMENT_KEYS, "a: ["), vocabulary=VOCABULARY)
    assert [error.file for error in caught.value.errors] == list(DOCUMENT_KEYS)


def test_every_mistake_is_reported_at_once_in_reading_order() -> None:
    """The operator needs one round of corrections, however many errors there are."""
    assert mistakes("""\
tiers:
  l1: {policy: lruu, max_entries: ten}
  l2:
    max_bytes: "10 potatoes"
    max_bytes: 3
promote_afer: 1
""") == [
        'cache.yaml:2: tiers.l1.max_entries: "ten" is not a whole number; write for example 100',
        'cache.yaml:2: tiers.l1.policy: "lruu" is not a policy; did you mean lru?',
        "cache.yaml:5: tiers.l2.max_bytes: the key is already on line 4; remove one of the two",
        "cache.yaml:6: promote_afer: unknown key; did you mean promote_after?",
    ]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("- a", "a list is not a mapping; write keys with values below it, or remove it"),
        ("tiers:", "tiers: the value is missing; add one, or remove the key"),
        ("tiers: {l4: {}}", "tiers.l4: unknown key; write one of l1, l2, l3"),
        ("speed: 1", "speed: unknown key; write one of default_ttl, durability, max_value_bytes"),
        ("promote_after: 0", "promote_after: 0 is too small; write at least 1"),
        ("promote_after: true", "promote_after: true is not a whole number; write for example 100"),
        ('promote_after: "2"', 'promote_after: "2" is not a whole number; write for example 100'),
        ("promote_after: 99999999999999999999", "promote_after: 99999999999999999999 is too large"),
        ("default_ttl: 3600", "default_ttl: 3600 has no unit; write 3600s for seconds"),
        ("default_ttl: 0s", 'default_ttl: "0s" is too small; write for example 1h, or never'),
        (
            "default_ttl: soon",
            'default_ttl: "soon" is not a duration; write for example 30s or 1h30m',
        ),
        ("max_value_bytes: -1", "max_value_bytes: -1 is not a size; write for example 100MiB"),
        ("max_value_bytes: 0", "max_value_bytes: 0 is too small; write for example 100MiB"),
        ("max_value_bytes: yes", 'max_value_bytes: "yes" is not a size; write for example 100MiB'),
        ("durability: raid", 'durability: "raid" is not valid here; write process, memory or disk'),
        ("tiers: {l1: {enabled: no}}", 'tiers.l1.enabled: "no" is neither true nor false; write'),
        ("tiers: {l1: {compression: zstd}}", "tiers.l1.compression: unknown key; write one of"),
        ("tiers: {l2: {compression: zip}}", 'tiers.l2.compression: "zip" is not valid here; write'),
        ("tiers: {l2: {max_entries: 1.5}}", "tiers.l2.max_entries: 1.5 is not a whole number"),
        ("metrics: {namespaces: pages}", 'metrics.namespaces: "pages" is not a list; write'),
        (
            "metrics: {namespaces: [a, b/c]}",
            'metrics.namespaces[1]: "b/c" is no namespace; a namespace is 1 to 64 characters of',
        ),
        (
            f"metrics: {{namespaces: [{', '.join(f'n{number}' for number in range(1000))}]}}",
            "metrics.namespaces: there are more than 20; remove some",
        ),
        ("tiers: {l3: {timeout: never}}", 'tiers.l3.timeout: "never" is not a duration; write'),
        ("tiers: {l3: {window: 0.5}}", "tiers.l3.window: unknown key; write one of enabled"),
    ],
)
def test_a_wrong_value_is_answered_with_what_to_write(line: str, sentence: str) -> None:
    """Every error begins with file, line and path, and states what is valid."""
    [mistake] = mistakes(line)
    assert mistake.startswith(f"cache.yaml:1: {sentence}")


@pytest.mark.parametrize("policy", CATALOGUE.policies.scores)
def test_l3_takes_the_orders_that_a_sample_decides(policy: str) -> None:
    """Five policies work without an order over all keys in memory."""
    assert configured(f"tiers: {{l3: {{policy: {policy}}}}}").tiers.l3.policy == policy


def test_l3_refuses_an_order_that_needs_memory_and_says_why() -> None:
    """A policy for tiers in memory is rejected for L3, with the reason and the valid ones."""
    [mistake] = mistakes("tiers: {l3: {policy: sieve}}")
    assert "keeps no order in memory" in mistake
    assert mistake.endswith("; write one of fifo, lfu, lru, random, ttl")


def test_memory_takes_exactly_the_policies_that_it_is_told() -> None:
    """The caller passes the set of policies, which includes those of plugins."""
    text = {"cache.yaml": "tiers: {l2: {policy: mine}}"}
    mine = replace(VOCABULARY, policies={**VOCABULARY.policies, "mine": PolicyForm(on_disk=False)})
    assert parse(text, vocabulary=mine).cache.tiers.l2.policy == "mine"
    with pytest.raises(InvalidDocument, match="write one of fifo, lfu, lru"):
        parse(text, vocabulary=VOCABULARY)


@pytest.mark.parametrize("window", ["0", "1", "-0.5", "1.5", ".nan", "0.5s", "true"])
def test_a_window_is_a_share(window: str) -> None:
    """0 %, 100 % and text are rejected."""
    [mistake] = mistakes(f"tiers: {{l1: {{policy: w_tinylfu, window: {window}}}}}")
    assert mistake.endswith("; write for example 0.01")


@pytest.mark.parametrize("policy", ["", "policy: lru, "])
def test_a_window_needs_the_policy_that_has_one(policy: str) -> None:
    """The error names the policy that has the option."""
    [mistake] = mistakes(f"tiers: {{l2: {{{policy}window: 0.1}}}}")
    assert mistake.endswith("only w_tinylfu has a window; write policy: w_tinylfu too")


def test_errors_are_no_more_than_anybody_reads() -> None:
    """A file with thousands of unknown keys has a hundred errors."""
    assert len(mistakes("".join(f"k{number}: 1\n" for number in range(4000)))) == 100


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["10MiB", "never", "1h", "lru", "zstd", "*x", "&x", "!!binary x", "5"]),
    st.text(st.characters(codec=None), max_size=8),
)
keys = st.sampled_from(
    ["tiers", "l1", "l2", "l3", "max_bytes", "policy", "window", "enabled", "timeout"]
)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner))
)
texts = st.dictionaries(
    st.sampled_from((*DOCUMENT_KEYS, "other")),
    st.one_of(st.text(st.characters(codec=None)), values.map(repr), values.map(str)),
)
limits = st.one_of(st.none(), st.integers(0, 1 << 40))


@given(texts, limits, limits)
@settings(deadline=None)  # a noisy machine is no failure
def test_no_text_whatsoever_raises_anything_but_invalid_document(
    mapping: dict[str, str], memory_limit_bytes: int | None, data_limit_bytes: int | None
) -> None:
    """A document is accepted, or rejected with errors of one printable line each."""
    try:
        document = parse(
            mapping,
            vocabulary=VOCABULARY,
            memory_limit_bytes=memory_limit_bytes,
            data_limit_bytes=data_limit_bytes,
        )
    except InvalidDocument as refused:
        lines = str(refused).split("\n")
        assert lines
        assert all(line.isprintable() for line in lines)
    else:
        assert document.revision == revision(mapping)
