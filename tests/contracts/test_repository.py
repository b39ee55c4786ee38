"""The repository has one licence, and code of a readable size."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from statistics import median, quantiles

import yaml

from tests.contracts.pages import ROOT

MOST_LINES = 300
"""The longest file without a reason in its docstring."""


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_the_licence_is_the_same_everywhere() -> None:
    licence = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]
    assert licence == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert f'org.opencontainers.image.licenses="{licence}"' in (ROOT / "Dockerfile").read_text()
    for chart in (ROOT / "helm").glob("*/Chart.yaml"):
        annotations = yaml.safe_load(chart.read_text())["annotations"]
        assert annotations["artifacthub.io/license"] == licence


def test_a_long_file_gives_its_reason() -> None:
    """The docstring says that the file has more than 300 lines."""
    for path in sources("sidecar", "tests", "helm", "dashboards", "image"):
        text = path.read_text()
        if text.count("\n") > MOST_LINES:
            reason = " ".join((ast.get_docstring(ast.parse(text)) or "").split())
            assert f"more than {MOST_LINES} lines" in reason.lower(), path


def test_functions_are_short() -> None:
    """The median is at most seven lines, the 90th percentile at most twenty."""
    lengths = [
        node.end_lineno - node.lineno + 1
        for path in sources("sidecar")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    ]
    assert median(lengths) <= 7
    assert quantiles(lengths, n=10)[8] <= 20
