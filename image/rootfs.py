"""Gathers what the image holds below one folder: `python3 rootfs.py ENVIRONMENT ROOT`.

That is the interpreter which runs this, its standard library, the virtual environment, and the
libraries that these load, each with the record of the Debian package that it is from, since
scanners for vulnerabilities read those. Nothing else of the base comes along: no shell, no pip.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path

NOT_TO_SERVE = shutil.ignore_patterns(
    *("__pycache__", "site-packages", "sitecustomize.py"),  # those of the base
    *("test", "_test*", "_ctypes_test*", "_xxtestfuzz*", "xxlimited*", "xxsubtype*"),
    *("ensurepip", "config-*", "pydoc_data"),
    *("idlelib", "tkinter", "_tkinter*", "turtle.py", "turtledemo"),
    *("curses", "_curses*", "readline.*", "_dbm.*", "_gdbm.*"),
)
"""Parts of the standard library for tests, for installing and building, for windows and terminals,
and old databases.
"""
NOT_TO_RUN = shutil.ignore_patterns(
    *("__pycache__", "include", "*.pyi", "*.pyx", "*.pxd", "*.c", "*.h", "[aA]ctivate*"),
    "_cffi.*",  # zstandard's backend for PyPy
)
"""Parts of the environment that are for type checkers, for compilers and for shells."""
GENERATED = ("client", "aio/client/api", "aio/client/models/[!_]*")
"""Of the package `kubernetes`: code for each kind of object, 70 MB, none of which is called."""
SUITES = "lib/*/site-packages/sidecar/testing"
"""Contract suites for authors of plugins: they need pytest, which is not there."""
COMMANDS = {"cache-sidecar", "python", "python3"}
LINKED = re.compile(r"^\s*(?:\S+ => )?(/\S+) \(0x", re.MULTILINE)
SETTINGS = {
    "passwd": "cache-sidecar:x:65532:65532::/nonexistent:/nonexistent\n",
    "group": "cache-sidecar:x:65532:\n",
    "nsswitch.conf": "hosts: files dns\n",
    "ld.so.conf": "/usr/local/lib\n",  # where a base that has built its interpreter keeps it
}
COPIED = ("/etc/os-release", "/etc/ssl/certs/ca-certificates.crt")


def main(environment: Path, root: Path) -> None:
    interpreter = Path(sys.executable).resolve()
    standard_library = Path(sysconfig.get_path("stdlib"))
    copy_tree(standard_library, root, NOT_TO_SERVE)
    copy_tree(environment, root, NOT_TO_RUN)
    point_to(interpreter, below(root, environment / "bin"))
    for pattern in GENERATED:
        remove(below(root, environment).glob(f"lib/*/site-packages/kubernetes/{pattern}"))
    remove(below(root, environment).glob(SUITES))

    modules = shared_objects(root, standard_library)
    libraries = linked({interpreter, *modules, *shared_objects(root, environment)})
    system = {interpreter, *(path for path in libraries if environment not in path.parents)}
    for path in (*system, *map(Path, COPIED)):
        copy(path, root)
    for name, text in SETTINGS.items():
        (root / "etc" / name).write_text(text)
    for path in (Path("/lib"), Path("/lib64")):
        if path.is_symlink():
            below(root, path).symlink_to(path.readlink())
    subprocess.run(["ldconfig", "-r", root], check=True)
    record_packages({path.resolve() for path in (*system, *modules)}, root)


def below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def copy(path: Path, root: Path) -> None:
    """The file itself, where `path` is a link to it."""
    target = below(root, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, target)


def copy_tree(folder: Path, root: Path, ignore: Callable[[str, list[str]], set[str]]) -> None:
    shutil.copytree(folder, below(root, folder), symlinks=True, ignore=ignore)


def point_to(interpreter: Path, commands: Path) -> None:
    """Leave the commands that the image is for, and no detour by links of the base."""
    for command in commands.iterdir():
        if command.name not in COMMANDS or command.is_symlink():
            command.unlink()
    for name in ("python", "python3"):
        (commands / name).symlink_to(interpreter)


def remove(paths: Iterable[Path]) -> None:
    for path in [*paths]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def shared_objects(root: Path, folder: Path) -> set[Path]:
    """Those that were copied, as they are called in the base: there they find what they load."""
    return {Path("/", path.relative_to(root)) for path in below(root, folder).rglob("*.so*")}


def linked(files: Iterable[Path]) -> set[Path]:
    """The libraries that files load, and the loader. /lib/x and /usr/lib/x are one."""
    listed = subprocess.run(["ldd", *files], check=True, capture_output=True, text=True).stdout
    if "not found" in listed:
        sys.exit(listed)
    names = {Path(name) for name in LINKED.findall(listed)}
    return {name.parent.resolve() / name.name for name in names}


def record_packages(files: Iterable[Path], root: Path) -> None:
    """What the files are from, as dpkg has it, and under which licence.

    No package owns the interpreter where the base has built it.
    """
    found = subprocess.run(
        ["dpkg-query", "--search", *files], check=False, capture_output=True, text=True
    ).stdout
    records = root / "var/lib/dpkg/status.d"
    records.mkdir(parents=True)
    for package in {line.partition(": ")[0] for line in found.splitlines()}:
        name = package.partition(":")[0]
        with (records / name).open("wb") as record:
            subprocess.run(["dpkg-query", "--status", package], check=True, stdout=record)
        if (terms := Path(f"/usr/share/doc/{name}/copyright")).exists():
            copy(terms, root)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
