"""Generates the table of values in the chart's README.md from the comments in its values.yaml.

A comment that begins with `# -- ` describes the key below it, with everything in that key. Run it
with `make chart-docs`, which also writes what `schema` generates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from helm import schema
from sidecar.catalogue import CATALOGUE

CHART = Path(__file__).parent / "cache-sidecar"
BEGIN, END = "<!-- values: made by `make chart-docs` -->\n", "<!-- end of values -->"
LONGEST_DEFAULT = 48
"""The most characters of a default that a cell shows."""

_KEY = re.compile(r"( *)([A-Za-z0-9]+):")


class Value(NamedTuple):
    """A value of the chart, with its dotted path."""

    path: str
    default: Any
    description: str


def described(text: str) -> Iterator[Value]:
    """The values in a values.yaml that have a description, in order."""
    defaults = yaml.safe_load(text)
    description: list[str] = []
    parents: list[str] = []
    for line in text.splitlines():
        comment = line.strip().removeprefix("#").strip() if line.strip().startswith("#") else None
        if comment is not None and (description or comment.startswith("-- ")):
            description.append(comment.removeprefix("-- "))
        elif key := _KEY.match(line):
            parents[len(key[1]) // 2 :] = [key[2]]
            if description:
                default = reduce(lambda node, name: node[name], parents, defaults)
                yield Value(".".join(parents), default, " ".join(description))
            description = []


def table(text: str) -> str:
    """The table, in Markdown."""
    rows = ["| value | default | description |", "|---|---|---|"]
    for path, default, description in described(text):
        shown = json.dumps(default)
        cell = f"`{shown}`" if len(shown) <= LONGEST_DEFAULT else "see values.yaml"
        rows.append(f"| `{path}` | {cell} | {description.replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def updated(readme: str, values: str) -> str:
    """The README with its table replaced by that of these values."""
    before, rest = readme.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{table(values)}\n{END}{after}"


if __name__ == "__main__":
    readme, values_schema = CHART / "README.md", CHART / "values.schema.json"
    readme.write_text(updated(readme.read_text(), (CHART / "values.yaml").read_text()))
    values_schema.write_text(schema.updated(values_schema.read_text(), CATALOGUE.vocabulary))
