"""The Dockerfile, checked with hadolint, and the files that it copies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.image.building import REPOSITORY

HADOLINT = Path(sys.executable).with_name("hadolint")


def test_hadolint_has_nothing_to_say() -> None:
    """The only exceptions are those in the Dockerfile, with reasons."""
    done = subprocess.run(
        [HADOLINT, "--failure-threshold=style", REPOSITORY / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_package_is_built_with_versions_that_developers_have() -> None:
    """Every pin of requirements-build.lock is one of requirements-dev.lock."""
    assert pins("requirements-build.lock") <= pins("requirements-dev.lock")


def pins(lock: str) -> set[str]:
    lines = (REPOSITORY / lock).read_text().splitlines()
    return {line.split()[0] for line in lines if "==" in line}
