"""What people need who join: a licence, named the same everywhere, and pages whose paths exist."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml

from tests.contracts.readme import ROOT, code

PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "dashboards/RUNBOOK.md")


def test_the_licence_is_the_same_everywhere() -> None:
    licence = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]
    assert licence == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert f'org.opencontainers.image.licenses="{licence}"' in (ROOT / "Dockerfile").read_text()
    for chart in (ROOT / "helm").glob("*/Chart.yaml"):
        annotations = yaml.safe_load(chart.read_text())["annotations"]
        assert annotations["artifacthub.io/license"] == licence


@pytest.mark.parametrize("page", PAGES)
def test_links_and_paths_lead_somewhere(page: str) -> None:
    """Relative links, and what is set as code and begins like a path of this repository."""
    text = (ROOT / page).read_text()
    here = (ROOT / page).parent
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in link:
            assert (here / link).exists(), f"{page}: {link}"
    for path in code(text):
        if re.fullmatch(r"(sidecar|tests|helm|dashboards|docs|image)/[\w./-]+", path):
            assert (ROOT / path).exists() or "NAME" in path, f"{page}: {path}"


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_that_a_page_names_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        cell.split()[1] for cell in code((ROOT / page).read_text()) if cell.startswith("make ")
    }
    assert named <= targets
