"""README.md in pieces: its sections, code blocks and tables."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str, text: str = README) -> list[str]:
    """The code blocks of a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for name, block in found if name == language]


def section(title: str) -> str:
    """What stands below a heading of the second level."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_column(text: str, header: str) -> list[str]:
    """The first cells of the table whose header begins like this."""
    return [row[0] for row in table(text, header)]


def table(text: str, header: str) -> list[list[str]]:
    """The rows of the table whose header begins like this, cell by cell."""
    lines = iter(text.splitlines())
    next(line for line in lines if line.startswith(f"| {header} |"))
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.split("|")[1:-1]])
    return rows


def code(cell: str) -> list[str]:
    """What is set as code."""
    return re.findall(r"`([^`]+)`", cell)
