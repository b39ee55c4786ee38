"""Random documents, valid and damaged: accepted, or rejected with all errors."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.errors import InvalidDocument
from sidecar.config.values import DOCUMENT_KEYS, LEVELS, revision
from sidecar.documents.in_force import InForce

VOCABULARY = CATALOGUE.vocabulary
DEFAULTS = parse({}, vocabulary=VOCABULARY)

Texts = dict[str, str]
Draw = Callable[[st.SearchStrategy[Any]], Any]


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with a random subset of these keys."""
    return st.fixed_dictionaries({}, optional=fields)


def seconds(least: int, most: int) -> st.SearchStrategy[str]:
    return st.integers(least, most).map("{}s".format)


percents = st.integers(1, 100).map("{}%".format)
sizes = st.integers(1, 1 << 20).map("{}KiB".format)
counts = st.integers(1, 10**9)
namespaces = st.from_regex("[A-Za-z0-9._-]{1,64}", fullmatch=True)
signals = st.sampled_from(sorted(VOCABULARY.signals))
directions = st.sampled_from(["higher", "lower"])
levels = st.sampled_from(LEVELS)
rule_names = st.lists(st.from_regex(r"\A[a-z0-9_]{1,63}\Z"), unique=True, max_size=4)

memory_tiers = some(
    enabled=st.booleans(),
    policy=st.sampled_from(sorted(VOCABULARY.policies)),
    max_entries=counts,
    max_bytes=sizes,
)
caches = some(
    tiers=some(l1=memory_tiers, l2=memory_tiers),
    promote_after=counts,
    default_ttl=st.just("never") | seconds(1, 9999),
    durability=st.sampled_from(["process", "memory", "disk"]),
    metrics=some(namespaces=st.lists(namespaces, max_size=20)),
)

OPTIONS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "grow_tier": st.fixed_dictionaries({"tier": st.just("l3")}, optional={"by": percents}),
    "shrink_tier": st.fixed_dictionaries({"tier": st.just("l2")}, optional={"by": percents}),
    "switch_policy": st.just({"tier": "l1", "to": "sieve"}),
    "set_compression": st.just({"to": "none"}),
    "set_l3_admission": st.just({"to": "second"}),
    "limit_in_flight": st.just({"to": "adaptive"}),
}
"""Options for the actions that require some; the others need none."""


windows = st.builds(
    '{}({}, "{}s")'.format,
    st.sampled_from(sorted(CATALOGUE.functions)),
    signals,
    st.integers(1, 60),
)
judged = {"signal": signals, "better": directions}
window = {"window": seconds(1, 1500)}
choices = some(
    **{"for": seconds(0, 86_400), "cooldown": seconds(1, 86_400)},
    level=levels,
    enabled=st.booleans(),
    expect=st.fixed_dictionaries({**judged, "by": percents}, optional=window),
    guard=st.fixed_dictionaries({**judged, "worse_by": percents}, optional=window),
)
goals = st.fixed_dictionaries(
    {"better": directions, "target": st.floats(-1e9, 1e9)},
    optional={"baseline": st.just("learn") | st.floats(-1e9, 1e9)},
)
baseline_entries = st.dictionaries(signals, goals, max_size=4)
actions = st.sampled_from(sorted(CATALOGUE.actions))
optimizers = some(level=levels, interval=seconds(1, 3600), enabled=st.booleans())


@cache
def conditions(references: tuple[str, ...]) -> st.SearchStrategy[str]:
    operands = st.one_of(signals, windows, st.sampled_from(references or ("0.5",)))
    comparisons = st.builds("{} {} {}".format, operands, st.sampled_from("<>"), operands)
    return st.lists(comparisons, min_size=1, max_size=3).map(" && ".join)


def rule(draw: Draw, name: str, references: tuple[str, ...]) -> dict[str, Any]:
    action = draw(actions)
    rule = {
        "name": name,
        "type": CATALOGUE.actions[action].rule_type,
        "when": draw(conditions(references)),
        "action": action,
        **draw(choices),
    }
    if action in OPTIONS:
        rule["with"] = draw(OPTIONS[action])
    return rule


@st.composite
def _documents(draw: Draw) -> dict[str, Any]:
    kinds = ("baseline", "target")
    baselines = draw(baseline_entries)
    references = tuple(
        f"{kind}.{signal}" for signal, entry in baselines.items() for kind in kinds if kind in entry
    )
    return {
        "cache.yaml": draw(caches),
        "baselines.yaml": {"baselines": baselines},
        "rules.yaml": {
            **draw(optimizers),
            "rules": [rule(draw, name, references) for name in draw(rule_names)],
        },
    }


documents = _documents()
"""The values of the texts of a valid document, by key."""


class Dumper(yaml.CSafeDumper):
    """Writes YAML 1.2, in which 1e5 and 0o7 are numbers: as names they need quotes."""


def _text(dumper: Dumper, text: str) -> yaml.ScalarNode:
    is_number = re.fullmatch("[-+]?[.0-9][-+.0-9a-zA-Z_]*", text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, "'" if is_number else None)


Dumper.add_representer(str, _text)


def as_yaml(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True)
    return text


def written(values: Mapping[str, Any]) -> Texts:
    return {key: as_yaml(value) for key, value in values.items()}


junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.sampled_from(["0s", "365000d", "120%", "-5%", "never", "1 / 0", "x > 'y'", "[", "lru", ""]),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all parts of a value, including itself."""
    inside: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        inside = enumerate(value)
    return [path, *(spot for key, child in inside for spot in spots(child, (*path, key)))]


@st.composite
def damaged(draw: Draw, value: Any) -> Any:
    """The value with a part replaced, removed, renamed or duplicated."""
    path = draw(st.sampled_from(spots(value)))
    if not path:
        return draw(junk)
    parent = value
    for step in path[:-1]:
        parent = parent[step]
    last = path[-1]
    match draw(st.sampled_from(["replace", "remove", "rename", "repeat"])):
        case "remove":
            del parent[last]
        case "rename" if isinstance(parent, dict):
            parent[draw(st.text(max_size=8))] = parent.pop(last)
        case "repeat" if isinstance(parent, list):
            parent.append(parent[last])
        case _:
            parent[last] = draw(junk)
    return value


@st.composite
def scratched(draw: Draw, text: str) -> str:
    """The text with some characters replaced by others."""
    start = draw(st.integers(0, len(text)))
    end = start + draw(st.integers(0, 3))
    scratch: str = draw(st.text(st.characters(codec=None), max_size=3))
    return text[:start] + scratch + text[end:]


@st.composite
def _mutated(draw: Draw) -> Texts:
    values = copy.deepcopy(draw(documents))  # strategies may give the same object again
    texts = written(values)
    for key in draw(st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=3)):
        if draw(st.booleans()):
            values[key] = draw(damaged(values[key]))
            texts[key] = as_yaml(values[key])
        else:
            texts[key] = draw(scratched(texts[key]))
    return texts


mutated = _mutated()
"""The texts of a valid document, with damage to one or more of them."""


def offered(texts: Texts) -> InForce:
    """The configuration in force after these texts are applied over the defaults."""
    in_force = InForce(lambda: 0.0, DEFAULTS)
    try:
        in_force.take(parse(texts, vocabulary=VOCABULARY), "folder")
    except InvalidDocument as error:
        in_force.refuse(error.errors, "folder")
    return in_force


def errors_of(texts: Texts) -> list[str]:
    """The errors in these texts."""
    rejected = offered(texts).rejected
    return list(rejected.errors) if rejected else []


@given(documents)
@settings(max_examples=100, deadline=None)
def test_a_good_document_is_taken_whole(values: dict[str, Any]) -> None:
    """Everything that is stated is in force: the cache, every rule, every baseline."""
    texts = written(values)
    in_force = offered(texts)
    assert in_force.rejected is None
    document = in_force.document
    assert document.revision == revision(texts)
    stated = values["rules.yaml"]["rules"]
    assert [rule.name for rule in document.optimizer.rules] == [rule["name"] for rule in stated]
    assert [rule.when for rule in document.optimizer.rules] == [rule["when"] for rule in stated]
    assert [it.signal for it in document.baselines] == list(values["baselines.yaml"]["baselines"])


@given(mutated)
@settings(max_examples=1000, deadline=None)
def test_a_damaged_document_is_taken_whole_or_refused_whole(texts: Texts) -> None:
    """A rejection names file and line of each error and changes nothing; nothing else is raised."""
    in_force = offered(texts)
    if in_force.rejected is None:
        assert in_force.document.revision == revision(texts)
        assert in_force.document == parse(texts, vocabulary=VOCABULARY)
        return
    assert in_force.document is DEFAULTS
    assert in_force.rejected.errors
    for error in in_force.rejected.errors:
        file, line, sentence = error.split(":", 2)
        assert file in DOCUMENT_KEYS
        assert 1 <= int(line) <= texts[file].count("\n") + 1
        assert sentence.isprintable()


@given(mutated, mutated)
@settings(max_examples=200, deadline=None)
def test_the_mistakes_of_one_text_hide_none_of_another(one: Texts, other: Texts) -> None:
    """The errors of a document are those of its cache and of its rules, each parsed alone."""
    cache = {"cache.yaml": one["cache.yaml"]}
    rest = {key: other[key] for key in ("baselines.yaml", "rules.yaml")}
    assert errors_of({**cache, **rest}) == errors_of(cache) + errors_of(rest)


def test_the_options_of_every_action_are_tried() -> None:
    """An action without an example has no options."""
    for name, action in CATALOGUE.actions.items():
        needs = any(field.is_required() for field in action.Options.model_fields.values())
        assert needs == (name in OPTIONS), name
