"""The example's chart, as its README has it built."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.helm.charts import EXAMPLE, IMAGE, OPERATOR, ROOT, Object, helms, render
from tests.helm.tools import HELMS


@pytest.fixture(scope="package")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its dependency built as its README says, away from the repository."""
    root = tmp_path_factory.mktemp("repository")
    for name in ("helm", "dashboards"):
        shutil.copytree(
            ROOT / name,
            root / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("charts", "Chart.lock", "__pycache__"),
        )
    built = root / "helm" / EXAMPLE.name
    for major in HELMS:
        [done] = helms("dependency", "build", str(built), majors=[major]).values()
        assert done.returncode == 0, done.stderr
    return built


@pytest.fixture(scope="package")
def rendered(example: Path) -> list[Object]:
    return render(example, IMAGE, apis=OPERATOR)
