"""What people need who join: a licence, named the same everywhere."""

from __future__ import annotations

import tomllib

import yaml

from tests.contracts.pages import ROOT


def test_the_licence_is_the_same_everywhere() -> None:
    licence = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]
    assert licence == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert f'org.opencontainers.image.licenses="{licence}"' in (ROOT / "Dockerfile").read_text()
    for chart in (ROOT / "helm").glob("*/Chart.yaml"):
        annotations = yaml.safe_load(chart.read_text())["annotations"]
        assert annotations["artifacthub.io/license"] == licence
