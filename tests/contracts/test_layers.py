"""The layers in pyproject.toml: each contract fails when it is violated."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

from tests.contracts.pages import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = [each["name"] for each in PYPROJECT["tool"]["importlinter"]["contracts"]]

OFFENCES = (
    ("model/clock.py", "import sidecar.store.store", "Imports point downwards only"),
    ("store/pace.py", "import sidecar.optimizer.engine", "Imports point downwards only"),
    ("store/upkeep.py", "import sidecar.l3.wire", "The store has a vocabulary of its own"),
    ("store/upkeep.py", "import rocksdict", "Only l3 knows RocksDB"),
    ("tiers/process.py", "import sidecar.l3.database", "The main process never loads RocksDB"),
    ("documents/documents.py", "import sidecar.telemetry.metrics", "Documents know no metrics"),
    ("documents/documents.py", "import kubernetes", "Only kube knows Kubernetes"),
    ("control.py", "import psutil", "Only process asks the system"),
    ("store/upkeep.py", "import prometheus_client", "Only telemetry knows Prometheus"),
    ("store/upkeep.py", "import aiohttp", "Only http serves over aiohttp"),
    ("control.py", "import aiohttp", "Only http serves over aiohttp"),
    ("documents/documents.py", "import sidecar.http.server", "Documents know no metrics"),
    ("http/server.py", "import sidecar.kube.events", "Imports point downwards only"),
    ("api/names.py", "import sidecar.serving.limits", "Imports point downwards only"),
    ("serving/limits.py", "import sidecar.api.names", "Imports point downwards only"),
    ("store/store.py", "import sidecar.origins.freshness", "Imports point downwards only"),
    ("api/values.py", "import sidecar.origins.freshness", "Imports point downwards only"),
    ("origins/freshness.py", "import sidecar.http.fields", "Imports point downwards only"),
    ("origins/freshness.py", "import sidecar.store.store", "Origins know no store"),
    ("origins/freshness.py", "import sidecar.loading.loader", "Imports point downwards only"),
    ("loading/loader.py", "import sidecar.http.fields", "Imports point downwards only"),
    ("warmers/running.py", "import sidecar.http.server", "Imports point downwards only"),
    ("origins/freshness.py", "import sidecar.warmers.running", "Imports point downwards only"),
    ("warmers/sources/url.py", "import aiohttp", "Only http serves over aiohttp"),
    ("app/sidecar.py", "import aiohttp", "Only http serves over aiohttp"),
    ("documents/documents.py", "import watchfiles", "Only documents watches folders"),
    ("http/server.py", "import hiredis", "Only resp parses the Redis protocol"),
    ("app/running.py", "import uvloop", "Only the commands choose an event loop"),
    *(
        ("optimizer/trial.py", f"import {name}", "The optimizer decides and does nothing")
        for name in ("time", "asyncio", "socket", "datetime", "os", "subprocess")
    ),
)
"""A module, a forbidden import, and the beginning of the contract that forbids it."""

ROOMS = {
    *("api", "app", "cli", "config", "documents", "http", "kube", "l3", "model", "optimizer"),
    *(
        "loading",
        "origins",
        "policies",
        "process",
        "resp",
        "serving",
        "signals",
        "store",
        "telemetry",
        "testing",
        "tiers",
        "warmers",
    ),
}


def broken(root: Path) -> set[str]:
    """The contracts that the package in a folder violates."""
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as main; main()",
    ]
    done = subprocess.run(
        [*command, "--no-cache"],
        cwd=root,
        env={"PYTHONPATH": str(root), "COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Contracts: " in done.stdout, done.stdout + done.stderr
    flat = " ".join(done.stdout.split())
    return {name for name in CONTRACTS if f"{name} BROKEN" in flat}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "sidecar", tmp_path / "sidecar", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_no_contract_is_broken(copy: Path) -> None:
    assert broken(copy) == set()


@pytest.mark.parametrize(("module", "offence", "contract"), OFFENCES)
def test_a_contract_fails_when_its_sentence_is_broken(
    copy: Path, module: str, offence: str, contract: str
) -> None:
    """A single import is added to an unchanged module."""
    file = copy / "sidecar" / module
    file.write_text(file.read_text() + f"\n{offence}\n")
    assert [name for name in broken(copy) if name.startswith(contract)]


def test_a_room_that_no_layer_names_is_refused(copy: Path) -> None:
    """The layers are exhaustive: a new package must be assigned to one."""
    (copy / "sidecar" / "attic.py").write_text('"""Nothing."""\n')
    assert "Imports point downwards only" in broken(copy)


def test_every_contract_is_broken_by_some_offence() -> None:
    starts = {contract for _, _, contract in OFFENCES}
    for name in CONTRACTS:
        assert [start for start in starts if name.startswith(start)], f"no offence breaks {name!r}"


def test_no_imports_go_in_a_circle() -> None:
    """This includes imports for type checkers."""
    graph = grimp.build_graph("sidecar", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


def test_each_room_says_what_it_is() -> None:
    """A docstring of several sentences: its content, its rules, what it must not depend on."""
    rooms = {file.parent.name for file in (ROOT / "sidecar").glob("*/__init__.py")}
    assert rooms == ROOMS
    for room in rooms:
        text = (ROOT / "sidecar" / room / "__init__.py").read_text()
        docstring = re.match(r'"""(.*?)"""', text, re.DOTALL)
        assert docstring, room
        assert docstring[1].count(".") >= 2, room


def test_all_of_l3_but_what_both_processes_know_is_protected() -> None:
    """The main process cannot import a new file of L3's process either."""
    [protected] = [
        each["protected_modules"]
        for each in PYPROJECT["tool"]["importlinter"]["contracts"]
        if each["type"] == "protected"
    ]
    files = {f"sidecar.l3.{path.stem}" for path in (ROOT / "sidecar" / "l3").glob("*.py")}
    shared = {f"sidecar.l3.{name}" for name in ("__init__", "wire", "folder", "record", "witness")}
    assert set(protected) == files - shared
