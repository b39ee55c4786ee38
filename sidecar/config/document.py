"""Texts -> a document, whole or not at all.

Pure: no files, no clock, no limits of its own. All mistakes are reported at once, each with its
file, its line and the path of its field.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sidecar.config.errors import FieldError, InvalidDocument
from sidecar.config.limits import find_excess, fit, stated_sizes
from sidecar.config.schema import Cache
from sidecar.config.tree import MAX_ERRORS, Node, Path, compose
from sidecar.config.values import (
    CACHE_KEY,
    DOCUMENT_KEYS,
    CacheConfig,
    Document,
    TierConfig,
    TiersConfig,
    revision,
)
from sidecar.config.wording import nearest, shown

T = TypeVar("T", bound=TierConfig)

_NAMES = {"default_ttl": "default_ttl_seconds", "timeout": "timeout_seconds"}
"""Durations have their unit in their name once they are numbers."""

_SENTENCES = {
    "bool_type": "{shown} is neither true nor false; write true or false",
    "float_type": "{shown} is not a number; write for example 0.01",
    "greater_than_equal": "{shown} is too small; write at least {ge}",
    "int_type": "{shown} is not a whole number; write for example 100",
    "less_than_equal": "{shown} is too large; write at most {le}",
    "list_type": "{shown} is not a list; write for example [a, b]",
    "literal_error": "{shown} is not known here; write {expected}",
    "model_type": "{shown} is not a mapping; write keys with values below it, or remove it",
    "string_type": "{shown} is not text; put it in quotes",
}


def parse(
    texts: Mapping[str, str],
    *,
    memory_policies: Collection[str],
    memory_limit_bytes: int | None = None,
    data_limit_bytes: int | None = None,
) -> Document:
    """The document that the texts make; keys that are no part of one are ignored.

    `memory_policies` are the names that L1 and L2 accept. A limit of None is no limit; what was
    not stated is made to fit (see `limits.fit`). Raises InvalidDocument, and nothing else whatever
    the texts. O(length), at most a few tenths of a second for the largest text taken.
    """
    texts = {key: texts[key] for key in DOCUMENT_KEYS if key in texts}
    root, errors = _compose_all(texts)
    stated, refused = _validate(root, memory_policies)
    excess = find_excess(root, memory_limit_bytes, data_limit_bytes)
    errors += refused
    errors += (FieldError.at(CACHE_KEY, root.line_of(path), path, why) for path, why in excess)
    if errors:
        raise InvalidDocument(sorted(errors, key=_reading_order))
    cache = _configure(stated)
    tiers = fit(cache.tiers, stated_sizes(root), memory_limit_bytes, data_limit_bytes)
    return Document(texts=texts, revision=revision(texts), cache=replace(cache, tiers=tiers))


def _compose_all(texts: Mapping[str, str]) -> tuple[Node, list[FieldError]]:
    """The tree of `cache.yaml`, empty where there is none, and what is wrong with any text.

    The other texts have to be well-formed; what they say is not looked at.
    """
    root = Node({})
    errors: list[FieldError] = []
    for key, text in texts.items():
        tree, mistakes = compose(key, text)
        errors += mistakes
        if key == CACHE_KEY and tree and tree.value is not None:
            root = tree
    return root, errors


def _validate(
    root: Node, memory_policies: Collection[str]
) -> tuple[dict[str, Any], list[FieldError]]:
    """What the operator stated, and what is wrong with it."""
    try:
        cache = Cache.model_validate(root.value, context=memory_policies)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)[:MAX_ERRORS]
        return {}, [_field_error(root, mistake) for mistake in mistakes]
    return cache.model_dump(exclude_unset=True), []


def _field_error(root: Node, mistake: ErrorDetails) -> FieldError:
    path: Path = mistake["loc"]
    return FieldError.at(CACHE_KEY, root.line_of(path), path, _sentence(mistake))


def _sentence(mistake: ErrorDetails) -> str:
    """Pydantic's finding as a sentence that says what to do."""
    context = mistake.get("ctx", {})
    if mistake["type"] == "extra_forbidden":
        *section, key = mistake["loc"]
        return f"unknown key; {nearest(str(key), _keys_of(section))}"
    if mistake["input"] is None:
        return "there is no value; write one, or remove the key"
    if mistake["type"] == "value_error":
        return str(context["error"])
    expected = str(context.get("expected", "")).replace("'", "")
    template = _SENTENCES.get(mistake["type"], "{shown} is not accepted here; correct it")
    return template.format_map({**context, "shown": shown(mistake["input"]), "expected": expected})


def _keys_of(section: Iterable[str | int]) -> Collection[str]:
    model: Any = Cache
    for step in section:
        model = model.model_fields[step].annotation
    return list(model.model_fields)


def _reading_order(error: FieldError) -> tuple[int, int, str]:
    return DOCUMENT_KEYS.index(error.file), error.line, error.path


def _configure(stated: Mapping[str, Any]) -> CacheConfig:
    """The stated values over the defaults."""
    values = {_NAMES.get(key, key): value for key, value in stated.items()}
    tiers = values.pop("tiers", {})
    defaults = TiersConfig()
    return CacheConfig(
        tiers=TiersConfig(
            l1=_tier(defaults.l1, tiers.get("l1", {})),
            l2=_tier(defaults.l2, tiers.get("l2", {})),
            l3=_tier(defaults.l3, tiers.get("l3", {})),
        ),
        **values,
    )


def _tier(default: T, stated: Mapping[str, Any]) -> T:
    values = {_NAMES.get(key, key): value for key, value in stated.items()}
    if "window" in values:
        values["policy_options"] = {"window": values.pop("window")}
    return replace(default, **values)
