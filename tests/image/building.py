"""Builds the real image, with buildah, on a base made of Debian packages.

The results are kept in a separate store, so that the next run is fast and no other images are
affected. The base is stored under the name in the Dockerfile, so no registry is needed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cache-sidecar"


def _digest(of: object) -> str:
    return hashlib.sha256(str(of).encode()).hexdigest()[:12]


STORE = ("--root", str(CACHE / "images"), "--runroot", f"/run/cache-sidecar-{_digest(CACHE)}")
IMAGE = f"localhost/cache-sidecar:{_digest(REPOSITORY)}"
"""A separate one for each clone of the repository."""
TOOLS = ("podman", "buildah", "runc", "mmdebstrap")
BASE_OF = (
    *("mmdebstrap", "--quiet", "--variant=minbase"),
    "--include=python3,python3-pip,ca-certificates",
    *("--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"),
    *(
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    ),
    *("trixie", "-"),
)
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def hindrance() -> str | None:
    """The reason why no image can be built and run here, or None."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"{', '.join(missing)} missing; as root, `make test` installs them"
    if os.geteuid() != 0:
        return "it takes root"
    namespaces = ("unshare", "--mount", "--net", "--pid", "--fork", "true")
    if subprocess.run(namespaces, check=False, capture_output=True).returncode != 0:
        return "this container may make no namespaces"
    return None


def base() -> str:
    """The name of the Dockerfile's base image."""
    found = re.search(r"^ARG BASE=(\S+)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    assert found
    return found[1]


def build() -> str:
    """Build what has changed; returns the image's name."""
    with _alone():
        if _made_of(base()) != _digest(BASE_OF):
            _make_base()
        # Tagged layers survive the removal of untagged ones, so that the next build can use them.
        for stage in ("wheel", "gathered"):
            _build(f"localhost/{stage}", "--target", stage)
        _build(IMAGE)
        run("podman", "image", "prune", "--force")
    return IMAGE


def run(tool: str, *arguments: str, stdin: int | None = None) -> str:
    """Run podman or buildah with the store; returns the output without the last line end."""
    done = subprocess.run(
        [tool, *STORE, *arguments],
        stdin=stdin,
        env={**os.environ, "BUILDAH_ISOLATION": "chroot"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{tool} {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done.stdout.rstrip("\n")


def _build(name: str, *options: str) -> None:
    # A build trusts the certificates that this machine trusts.
    certificates = f"--volume={CERTIFICATES}:{CERTIFICATES}:ro"
    run(
        "buildah", "build", "--layers", "--pull=never", certificates, f"--tag={name}", *options, "."
    )


def _make_base() -> None:
    with subprocess.Popen(BASE_OF, stdout=subprocess.PIPE) as made:
        assert made.stdout
        label = f"--change=LABEL recipe={_digest(BASE_OF)}"
        run("podman", "import", label, "-", base(), stdin=made.stdout.fileno())
    assert made.returncode == 0


def _made_of(image: str) -> str | None:
    if not run("podman", "images", "--quiet", image):
        return None
    return run("podman", "image", "inspect", "--format", '{{index .Labels "recipe"}}', image)


@contextmanager
def _alone() -> Iterator[None]:
    """Allow one build at a time over all test runs."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
