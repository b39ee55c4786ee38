"""docs/configuration.md against the program: defaults, fields, policies, sources, reasons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import reduce
from typing import Any

import yaml

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.schema import cache_schema
from sidecar.config.section import Section
from sidecar.config.values import CacheConfig
from tests.contracts.pages import ROOT, blocks, code, expanded, first_column, read, section, table
from tests.contracts.tables import check_policies

CONFIGURATION = read("docs/configuration.md")
METRICS = read("docs/signals-and-metrics.md")


def test_the_defaults_are_those_of_the_program() -> None:
    text = blocks("yaml", section(CONFIGURATION, "The document"))[0]
    document = parse({"cache.yaml": text}, vocabulary=CATALOGUE.vocabulary)
    assert document.cache == CacheConfig()
    assert document.cache == parse({}, vocabulary=CATALOGUE.vocabulary).cache


def test_every_field_of_cache_yaml_is_there() -> None:
    """With its default: a document that states all of them equals one without any."""
    rows = {
        name: yaml.safe_load(code(default)[0])
        for field, default, _ in table(CONFIGURATION, "field")
        for name in expanded(code(field)[0])
    }
    assert rows.keys() == set(fields_of(cache_schema(CATALOGUE.vocabulary)))
    options = CATALOGUE.vocabulary.policy_options
    stated: dict[str, Any] = {}
    for name, default in rows.items():
        *parents, key = name.split(".")
        if key in options:
            assert default == options[key][0].default
        else:
            reduce(lambda node, parent: node.setdefault(parent, {}), parents, stated)[key] = default
    document = parse({"cache.yaml": yaml.safe_dump(stated)}, vocabulary=CATALOGUE.vocabulary)
    assert document.cache == CacheConfig()


def fields_of(section: type[Section], prefix: str = "") -> Iterator[str]:
    """The dotted names of the keys of a section."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from fields_of(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_the_policies_are_all_there() -> None:
    """L3's policies come first, as the text below the table says."""
    check_policies(CONFIGURATION, CATALOGUE)


def test_the_sources_of_documents_are_all_there() -> None:
    """As in labels: all sources that the program gives to a document, in any module."""
    given = {
        source
        for module in (ROOT / "sidecar").rglob("*.py")
        for source in re.findall(r'\b(?:offer|take|refuse)\(.*"(\w+)"', module.read_text())
    }
    [named] = [code(cells[1]) for cells in table(METRICS, "label") if "source" in cells[0]]
    assert set(named) == given


def test_the_reasons_of_events_are_all_there() -> None:
    """All reasons that the program gives to an announcement, in any module."""
    named = [code(cell)[0] for cell in first_column(CONFIGURATION, "reason")]
    modules = (ROOT / "sidecar").rglob("*.py")
    given = {
        reason
        for module in modules
        for reason in re.findall(r'Announcement\(\s*"(\w+)"', module.read_text())
    }
    assert sorted(named) == sorted(given)
