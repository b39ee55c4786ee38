"""The image and a pod of it, and a visible summary."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.image import building
from tests.image.pod import Pod

UNTESTED = "THE IMAGE IS NOT TESTED"
FIGURE = "figure of the image"


@pytest.fixture(scope="session")
def image() -> str:
    """The image's name. Where it can't be built that is said loudly, and in CI it is a failure."""
    hindrance = building.hindrance()
    if hindrance is not None:
        assert not os.environ.get("CI"), f"the image can't be built: {hindrance}"
        pytest.skip(f"{UNTESTED}: {hindrance}")
    return building.build()


@pytest.fixture(scope="module")
def pod(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """A pod whose sidecar has not been started."""
    pod = Pod(image, building.base(), tmp_path_factory.mktemp("pod"))
    yield pod
    pod.remove()


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Takes a line for the end of the test run."""
    return partial(record_property, FIGURE)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tests = [
        test
        for group in terminalreporter.stats.values()
        for test in group
        if isinstance(test, pytest.TestReport)
    ]
    figures = [value for test in tests for name, value in test.user_properties if name == FIGURE]
    if any(UNTESTED in str(test.longrepr) for test in tests if test.skipped):
        terminalreporter.section("THE IMAGE HAS NOT BEEN TESTED", red=True, bold=True)
        terminalreporter.line(f"It can't be built and run here: {building.hindrance()}.")
    elif figures:
        terminalreporter.section("the image")
        for line in figures:
            terminalreporter.line(str(line))
