"""Charts that several modules render: one of somebody's own, and the example, built."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.helm.charts import EXAMPLE, IMAGE, OPERATOR, ROOT, Object, helms, render
from tests.helm.shop import make_shop, render_shop
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


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chart of somebody's own, with every template of the sidecar's."""
    return make_shop(tmp_path_factory.mktemp("own") / "shop")


@pytest.fixture(scope="package")
def plain(shop: Path) -> list[Object]:
    """What that renders to, with nothing stated but what has to be."""
    return render_shop(shop)
