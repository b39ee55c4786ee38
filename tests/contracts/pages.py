"""The pages of the documentation, split into sections, code blocks and tables."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "dashboards" / "RUNBOOK.md",
    *sorted((ROOT / "helm").glob("*/README.md")),
]
"""All pages for users, in reading order."""

every_page = pytest.mark.parametrize(
    "page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES]
)


def read(path: str) -> str:
    """The text of a page, by its path from the root."""
    return (ROOT / path).read_text()


def fenced(text: str) -> list[tuple[str, str]]:
    """The code blocks, each with its language."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def blocks(language: str, text: str) -> list[str]:
    """The code blocks of one language."""
    return [block for name, block in fenced(text) if name == language]


def shell_lines(text: str) -> list[str]:
    """The commands in the shell blocks, one per line."""
    return [line for block in blocks("sh", text) for line in block.splitlines()]


def section(text: str, title: str) -> str:
    """The text below a heading of the second level."""
    return text.split(f"\n## {title}\n")[1].partition("\n## ")[0]


def first_column(text: str, header: str) -> list[str]:
    """The first cells of the table whose header begins with this."""
    return [row[0] for row in table(text, header)]


def table(text: str, header: str) -> list[list[str]]:
    """The rows of the table whose header begins with this, cell by cell."""
    lines = iter(text.splitlines())
    next(line for line in lines if line.startswith(f"| {header} |"))
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.split("|")[1:-1]])
    return rows


def code(text: str) -> list[str]:
    """The code spans."""
    return re.findall(r"`([^`]+)`", text)


def expanded(name: str) -> list[str]:
    """`gc.{gen0,gen1}.x` expanded to the names that it stands for."""
    parts = re.split(r"\{(.*?)\}", name)
    return ["".join(names) for names in itertools.product(*(part.split(",") for part in parts))]
