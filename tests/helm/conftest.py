"""Charts that several modules render: a third-party one, and the built example."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.helm.charts import EXAMPLE, IMAGE, OPERATOR, ROOT, Object, helms, render
from tests.helm.shop import make_shop, render_shop
from tests.helm.tools import HELMS


@pytest.fixture(scope="package")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its dependency built as in its README, outside the repository."""
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


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A third-party chart with all templates of the sidecar."""
    return make_shop(tmp_path_factory.mktemp("own") / "shop")


@pytest.fixture(scope="package")
def plain(shop: Path) -> list[Object]:
    """Its output with only the required values."""
    return render_shop(shop)
