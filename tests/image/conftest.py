"""The image and a pod of it; and a summary that nobody overlooks."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.image import building
from tests.image.pod import Pod

figures: pytest.StashKey[list[str]] = pytest.StashKey()
untested: pytest.StashKey[str] = pytest.StashKey()


@pytest.fixture(scope="session")
def image(pytestconfig: pytest.Config) -> str:
    """The image's name. Where it can't be built that is said loudly, and in CI it is a failure."""
    hindrance = building.hindrance()
    if hindrance is not None:
        pytestconfig.stash[untested] = hindrance
        assert not os.environ.get("CI"), f"the image can't be built: {hindrance}"
        pytest.skip(f"THE IMAGE IS NOT TESTED: {hindrance}")
    return building.build()


@pytest.fixture(scope="module")
def pod(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """A pod whose sidecar has not been started."""
    pod = Pod(image, building.base(), tmp_path_factory.mktemp("pod"))
    yield pod
    pod.remove()


@pytest.fixture
def report(pytestconfig: pytest.Config) -> list[str]:
    """Lines for the end of the test run."""
    return pytestconfig.stash.setdefault(figures, [])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if untested in config.stash:
        terminalreporter.section("THE IMAGE HAS NOT BEEN TESTED", red=True, bold=True)
        terminalreporter.line(f"It can't be built and run here: {config.stash[untested]}.")
    elif figures in config.stash:
        terminalreporter.section("the image")
        for line in config.stash[figures]:
            terminalreporter.line(line)
