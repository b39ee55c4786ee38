"""The clients, installed once below `.artifacts/`: they are no dependencies of the project.

Python's are in a virtual environment, Node.js too, as a wheel; npm puts its packages beside it.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ARTIFACTS = HERE.parents[2] / ".artifacts"
LOCKS = ("requirements.lock", "package.json", "package-lock.json")


def installed() -> Path:
    """The folder, which is named after the hash of what is in it; one process makes it."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in LOCKS)).hexdigest()
    folder = ARTIFACTS / f"clients-{digest[:16]}"
    ARTIFACTS.mkdir(exist_ok=True)
    with (ARTIFACTS / "clients.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _install(folder)
            (folder / "complete").touch()
    return folder


def _install(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "--require-hashes"]
    subprocess.run([*pip, "--requirement", f"{HERE}/requirements.lock"], check=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    npm = [f"{folder}/bin/npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    subprocess.run(npm, check=True, cwd=folder)
