"""Parses texts into a document, or reports all of their errors.

Pure: no files, no clock, no limits except those passed in. Each error has the file, the line and
the path of its field.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from sidecar.config import rules, warmers
from sidecar.config.errors import FieldError, InvalidDocument
from sidecar.config.limits import find_excess, fit, stated_sizes
from sidecar.config.names import key_meant
from sidecar.config.namespaces import NamespaceConfig
from sidecar.config.origins import OriginConfig
from sidecar.config.schema import cache_schema
from sidecar.config.tree import Node, compose
from sidecar.config.validation import validate
from sidecar.config.values import (
    BASELINES_KEY,
    CACHE_KEY,
    DOCUMENT_KEYS,
    RULES_KEY,
    WARMERS_KEY,
    CacheConfig,
    Document,
    MetricsConfig,
    TierConfig,
    TiersConfig,
    revision,
)
from sidecar.config.vocabulary import Vocabulary

T = TypeVar("T", bound=TierConfig)

EMPTY = Node({})

_NAMES = {
    name: f"{name}_seconds"
    for name in (
        "default_ttl",
        "max_age",
        "max_ttl",
        "negative_ttl",
        "soft_timeout",
        "stale_if_error",
        "stale_while_revalidate",
        "timeout",
    )
}
"""The names of durations, which have a unit once parsed into numbers."""


def parse(
    texts: Mapping[str, str],
    *,
    vocabulary: Vocabulary,
    memory_limit_bytes: int | None = None,
    data_limit_bytes: int | None = None,
) -> Document:
    """The document in the texts. A key that was meant to be one of the document's is an error;
    other keys of `texts` are ignored.

    None means no limit. Sizes that the document does not state are reduced to fit (see
    `limits.fit`). Raises only InvalidDocument, for any texts. O(length), at most a few tenths of a
    second for the longest text allowed.
    """
    misspelt = _misspelt(texts)
    texts = {key: texts[key] for key in DOCUMENT_KEYS if key in texts}
    trees, errors = _compose_all(texts)
    errors += misspelt
    root = trees.get(CACHE_KEY, EMPTY)
    stated, refused = validate(CACHE_KEY, root, cache_schema(vocabulary), vocabulary)
    excess = find_excess(root, memory_limit_bytes, data_limit_bytes)
    known = rules.references(trees[BASELINES_KEY]) if BASELINES_KEY in trees else None
    baselines, bad_baselines = rules.read_baselines(trees.get(BASELINES_KEY, EMPTY), vocabulary)
    optimizer, bad_rules = rules.read_rules(trees.get(RULES_KEY, EMPTY), vocabulary, known)
    named_warmers, bad_warmers = warmers.read_warmers(trees.get(WARMERS_KEY, EMPTY), vocabulary)
    errors += [*refused, *bad_baselines, *bad_rules, *bad_warmers]
    errors += (FieldError.at(CACHE_KEY, root.line_of(path), path, why) for path, why in excess)
    if errors or stated is None:
        raise InvalidDocument(sorted(errors, key=_reading_order))
    cache = _configure(stated.model_dump(exclude_unset=True), vocabulary.policy_options)
    if faults := list(_origin_faults(root, cache, vocabulary)):
        raise InvalidDocument(faults)
    return Document(
        texts=texts,
        revision=revision(texts),
        cache=fit(cache, stated_sizes(root), memory_limit_bytes, data_limit_bytes),
        optimizer=optimizer,
        baselines=baselines,
        warmers=named_warmers,
    )


def _origin_faults(root: Node, cache: CacheConfig, vocabulary: Vocabulary) -> Iterator[FieldError]:
    """Origins that are not allowed, or that cannot be."""
    for namespace in cache.namespaces:
        origin, find = namespace.origin, vocabulary.origin_fault
        fault = None if origin is None or find is None else find(origin)
        if fault is not None:
            path = ("namespaces", namespace.name, "origin", fault[0])
            yield FieldError.at(CACHE_KEY, root.line_of(path), path, fault[1])


def _compose_all(texts: Mapping[str, str]) -> tuple[dict[str, Node], list[FieldError]]:
    """The trees of the texts without syntax errors, and the errors in all texts."""
    trees: dict[str, Node] = {}
    errors: list[FieldError] = []
    for key in DOCUMENT_KEYS:
        tree, mistakes = compose(key, texts.get(key, ""))
        errors += mistakes
        if tree:
            trees[key] = EMPTY if tree.value is None else tree
    return trees, errors


def _misspelt(keys: Iterable[str]) -> list[FieldError]:
    return [
        FieldError(key, 1, "", f"a document has no such key; name it {meant}, or remove it")
        for key in sorted(keys)
        if (meant := key_meant(key)) is not None
    ]


def _reading_order(error: FieldError) -> tuple[int, str, int, str]:
    """Misspelt keys first: what they state is missing in the others."""
    known = error.file in DOCUMENT_KEYS
    return DOCUMENT_KEYS.index(error.file) if known else -1, error.file, error.line, error.path


def _configure(stated: Mapping[str, Any], policy_options: Collection[str]) -> CacheConfig:
    """The configuration: the stated values, and defaults for the others."""
    values = _named(stated)
    tiers = values.pop("tiers", {})
    counted = values.pop("metrics", {}).get("namespaces", ())
    namespaces = values.pop("namespaces", {})
    defaults = TiersConfig()
    return CacheConfig(
        tiers=TiersConfig(
            l1=_tier(defaults.l1, tiers.get("l1", {}), policy_options),
            l2=_tier(defaults.l2, tiers.get("l2", {}), policy_options),
            l3=_tier(defaults.l3, tiers.get("l3", {}), policy_options),
        ),
        # A namespace that is named twice counts once.
        metrics=MetricsConfig(namespaces=tuple(dict.fromkeys(counted))),
        namespaces=tuple(_namespace(name, section) for name, section in namespaces.items()),
        **values,
    )


def _namespace(name: str, stated: Mapping[str, Any]) -> NamespaceConfig:
    values = _named(stated)
    if "origin" in values:
        values["origin"] = OriginConfig(**_named(values["origin"]))
    return NamespaceConfig(name=name, **values)


def _named(stated: Mapping[str, Any]) -> dict[str, Any]:
    return {_NAMES.get(key, key): value for key, value in stated.items()}


def _tier(default: T, stated: Mapping[str, Any], policy_options: Collection[str]) -> T:
    values = _named(stated)
    options = {name: values.pop(name) for name in policy_options if name in values}
    return replace(default, **values, policy_options=options)
