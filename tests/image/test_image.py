"""The content of the image."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.image.building import REPOSITORY, run
from tests.image.pod import LIMITS, podman

MOST_BYTES = 110_000_000
IMPORT_ALL = """
import importlib, pkgutil, sidecar
names = [module.name for module in pkgutil.walk_packages(sidecar.__path__, "sidecar.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""


@pytest.fixture(scope="module")
def tree(image: str) -> Iterator[Path]:
    """The files in the image."""
    yield Path(run("podman", "image", "mount", image))
    run("podman", "image", "unmount", image)


@pytest.fixture(scope="module")
def description(image: str) -> Any:
    return json.loads(run("podman", "image", "inspect", image))[0]


def test_it_says_what_it_is_and_leaves_probing_to_the_kubelet(description: Any) -> None:
    """A numeric user, only the ops port, the version of the package, no health check."""
    config = description["Config"]
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["cache-sidecar"]
    assert config["Cmd"] == ["serve"]
    assert list(config["ExposedPorts"]) == ["7071/tcp"]
    assert "Healthcheck" not in config
    assert "Volumes" not in config
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == project["name"]
    assert labels["org.opencontainers.image.licenses"] == project["license"]
    assert labels["org.opencontainers.image.version"] == project["version"]
    assert labels["org.opencontainers.image.description"] == project["description"]


def test_it_is_small(description: Any, report: Callable[[str], None]) -> None:
    """Who adds a dependency sees here what it weighs."""
    report(f"size: {description['Size'] / 1e6:.1f} MB (at most {MOST_BYTES / 1e6:.0f})")
    assert description["Size"] <= MOST_BYTES


def test_it_holds_nothing_but_what_runs(tree: Path) -> None:
    """No shell, package manager, compiler or tests; commands are only Python's, or links."""
    commands = {
        path.name
        for folder in ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "opt/*/bin")
        for path in tree.glob(f"{folder}/*")
    }
    assert commands == {"cache-sidecar", "python", "python3", "python3.13"}
    names = {path.name for path in tree.rglob("*")}
    unwanted = {"pip", "setuptools", "ensurepip", "idlelib", "tkinter", "test", "include"}
    assert not names & unwanted
    assert not [name for name in names if name.endswith((".a", ".h", ".pyi", ".pyx", ".whl"))]


def test_nothing_but_its_two_folders_belongs_to_its_user(tree: Path) -> None:
    """The process can't change its code, even with a writable root. No file is setuid."""
    assert {path.relative_to(tree) for path in tree.rglob("*") if path.lstat().st_uid} == {
        Path("etc/cache-sidecar"),
        Path("var/lib/cache-sidecar"),
    }
    files = [path for path in tree.rglob("*") if not path.is_symlink()]
    assert not [path for path in files if path.stat().st_mode & 0o6022]


def test_byte_code_is_there_once_and_is_not_checked(tree: Path) -> None:
    """The second field of the header is 1 (PEP 552): by hash, unchecked."""
    sources = {path for path in tree.rglob("*.py") if "lib2to3" not in path.parts}
    compiled = list(tree.rglob("*.pyc"))
    assert {
        path.parent.parent / f"{path.name.partition('.')[0]}.py" for path in compiled
    } == sources
    assert len(compiled) == len(sources)
    assert {path.read_bytes()[4:8] for path in compiled} == {b"\1\0\0\0"}


def test_a_scanner_finds_the_system_libraries(tree: Path) -> None:
    """Each library of Debian is recorded with its package's version, and has its licence."""
    records = {path.name: path.read_text() for path in tree.glob("var/lib/dpkg/status.d/*")}
    assert {"libc6", "libssl3t64", "zlib1g"} <= set(records)
    assert all(f"Package: {name}\n" in text for name, text in records.items())
    assert all("\nVersion: " in text for text in records.values())
    assert (tree / "usr/share/doc/libc6/copyright").exists()
    assert "VERSION_ID" in (tree / "etc/os-release").read_text()


def test_every_module_finds_what_it_imports(image: str) -> None:
    """Parts of dependencies were left out, but none that the sidecar needs."""
    modules = podman(
        "run", "--rm", "--network=none", *LIMITS, "--entrypoint=python3", image, "-c", IMPORT_ALL
    )
    assert int(modules) > 100
