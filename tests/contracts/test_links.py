"""Every path, link and anchor in the documentation exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.links import anchors, broken
from tests.contracts.pages import PAGES, ROOT, every_page

README_BYTES = 8192


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= README_BYTES


def test_every_page_of_the_docs_is_linked_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    unlinked = [page for page in PAGES if f"]({page.relative_to(ROOT)})" not in text]
    assert unlinked == [ROOT / "README.md"]


@every_page
def test_links_anchors_and_paths_lead_somewhere(page: Path) -> None:
    assert list(broken(page, page.read_text())) == []


@pytest.mark.parametrize(
    "text",
    [
        "[a](nowhere.md)",
        "[a](README.md#nowhere)",
        "[a](#nowhere)",
        "[a](http://example.com)",
        "`sidecar/nowhere.py`",
        "`nowhere.py`",
    ],
)
def test_what_leads_nowhere_is_found(text: str) -> None:
    assert len(list(broken(ROOT / "CONTRIBUTING.md", text))) == 1


def test_anchors_are_those_of_github() -> None:
    text = "# A `b`: c/d_e\n\n## A\n\n## A\n\n```\n# comment\n```\n"
    assert anchors(ROOT / "README.md", text) == {"a-b-cd_e", "a", "a-1"}
