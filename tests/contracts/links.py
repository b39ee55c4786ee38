"""The links, anchors and paths of a page, and those that are broken."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.contracts.pages import ROOT, code

FOLDERS = ("dashboards", "docs", "helm", "image", "sidecar", "tests")
DOCUMENTS = {"cache.yaml", "baselines.yaml", "warmers.yaml"}
"""Files of users, named in the documentation; the repository has only a rules.yaml."""
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_PATH = re.compile(rf"({'|'.join(FOLDERS)})/[\w./-]*")
_FILE = re.compile(r"[\w.-]+\.(cfg|json|lock|md|png|py|sh|toml|tpl|txt|ya?ml)")


def prose(text: str) -> str:
    """The text without its code blocks."""
    return _FENCE.sub("", text)


def broken(page: Path, text: str) -> Iterator[str]:
    """Every broken link, anchor and path of a page."""
    text = prose(text)
    yield from _broken_links(page, text)
    yield from _broken_paths(page, text)


def _broken_links(page: Path, text: str) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)]+)\)", text):
        target, _, anchor = link.partition("#")
        if "://" in link:
            if not link.startswith("https://"):
                yield link
            continue
        file = (page.parent / target).resolve() if target else page
        own = text if file == page else None
        if not file.exists() or (anchor and anchor not in anchors(file, own)):
            yield link


def _broken_paths(page: Path, text: str) -> Iterator[str]:
    """Broken paths in code spans: paths from the root, and names of files."""
    for span in code(text):
        if _PATH.fullmatch(span):
            if not (ROOT / span.removesuffix("NAME.py")).exists():
                yield span
        elif _FILE.fullmatch(span) and not (
            (page.parent / span).exists() or span in DOCUMENTS or span in _names()
        ):
            yield span


def anchors(file: Path, text: str | None = None) -> set[str]:
    """GitHub's anchors for the headings of a page; a repeated one gets a number."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ (.+)$", prose(text or file.read_text()), re.MULTILINE):
        anchor = slug(heading)
        found[anchor] = found.get(anchor, -1) + 1
    return {f"{name}-{n}" if n else name for name, most in found.items() for n in range(most + 1)}


def slug(heading: str) -> str:
    """GitHub's slug: lower case, without punctuation, a hyphen for each space."""
    visible = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", visible.lower()).replace(" ", "-")


@cache
def _names() -> set[str]:
    """The names of all files below the folders of the repository, and at its root."""
    below = {name for folder in FOLDERS for _, _, names in os.walk(ROOT / folder) for name in names}
    return below | {path.name for path in ROOT.iterdir()}
