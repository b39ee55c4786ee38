"""Attacks on the volume: a used folder with one name replaced, and what has to hold with it.

The names are those that a used folder has, and those that appear in it for a moment, so that a new
file of the sidecar is attacked without a change here.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from watchfiles import watch

from sidecar.l3.folder import COPY, QUARANTINE, TRASH
from sidecar.process.state_file import DAMAGED
from tests.running import RunningSidecar, wait_until

SEED = 20250601
MOST_BYTES = 256 << 20
"""The most resident memory of either process, with the pages of its programs. Without an attack the
larger one has 100 MiB.
"""
SPARSE_BYTES = 1 << 30
DELETED, REPLACED, KEPT = "deleted", "replaced", "kept"
OLD, NEW = b"older value ", b"newer value "
KEYS = 20

WITHOUT_OVERRIDE = (
    *("setpriv", "--bounding-set=-dac_override,-dac_read_search"),
    "--inh-caps=-dac_override,-dac_read_search",
)
"""Root, but subject to the rights of files, as the user in a container is."""

Damage = Callable[[Path, Path, random.Random], None]
"""Replaces a path, with a folder elsewhere, whose content must stay."""


def _link_to_a_file(path: Path, elsewhere: Path, _: random.Random) -> None:
    path.symlink_to(elsewhere / "file")


def _link_to_a_folder(path: Path, elsewhere: Path, _: random.Random) -> None:
    path.symlink_to(elsewhere)


def _link_to_nothing(path: Path, elsewhere: Path, _: random.Random) -> None:
    path.symlink_to(elsewhere / "nothing")


def _socket(path: Path, _elsewhere: Path, _: random.Random) -> None:
    with socket.socket(socket.AF_UNIX) as listener:  # a path may be too long for an address
        here = os.open(".", os.O_RDONLY)
        try:
            os.chdir(path.parent)
            listener.bind(path.name)
        finally:
            os.fchdir(here)
            os.close(here)


def _folder(path: Path, _elsewhere: Path, _: random.Random) -> None:
    path.mkdir()
    (path / "file").write_bytes(b"x")


def _sparse(path: Path, _elsewhere: Path, _: random.Random) -> None:
    with path.open("wb") as file:
        file.truncate(SPARSE_BYTES)


REPLACEMENTS: Mapping[str, Damage] = {
    "link to a file": _link_to_a_file,
    "link to a folder": _link_to_a_folder,
    "link to nothing": _link_to_nothing,
    "other name of a file": lambda path, elsewhere, _: path.hardlink_to(elsewhere / "file"),
    "link to /dev/zero": lambda path, _elsewhere, _: path.symlink_to("/dev/zero"),
    "pipe": lambda path, _elsewhere, _: os.mkfifo(path),
    "folder": _folder,
    "socket": _socket,
    "empty file": lambda path, _elsewhere, _: path.touch(),
    "random bytes": lambda path, _elsewhere, rng: _write(path, rng.randbytes(4096)),
    "invalid UTF-8": lambda path, _elsewhere, _: _write(path, b"\xff\xfe\xfd" * 100),
    "1 GiB": _sparse,
}
"""What a name becomes, after what it was is gone."""


def _truncate(path: Path, rng: random.Random) -> None:
    size = path.stat().st_size
    os.truncate(path, rng.randrange(size) if size else 0)


def _flip(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(min(3, len(data))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


CHANGES: Mapping[str, Callable[[Path, random.Random], None]] = {
    "truncated": _truncate,
    "flipped bits": _flip,
    "mode 000": lambda path, _: path.chmod(0),
}
"""What is done to a name as it is; to a folder only what makes sense."""

DAMAGES = (*REPLACEMENTS, *CHANGES)


class Volume:
    """A used folder, as a sidecar has left it, and the names in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config"
        self.used = folder / "used"
        self.config.mkdir()
        (self.config / "cache.yaml").write_text("promote_after: 3\n")
        with _names_that_appear(self.used) as appeared:
            _use(self.sidecar(self.used))
        present = {str(path.relative_to(self.used)) for path in self.used.rglob("*")}
        every = present | appeared | {COPY, QUARANTINE, TRASH}
        every |= {path.name + DAMAGED for path in self.used.iterdir() if path.is_file()}
        of_kind = {re.sub(r"\d+", "N", name): name for name in sorted(every)}
        self.names = sorted(of_kind.values())
        """One of each kind: RocksDB's files are numbered."""

    def sidecar(self, data_dir: Path) -> RunningSidecar:
        """A sidecar on a folder, with only its user's rights."""
        wrapper = WITHOUT_OVERRIDE if os.geteuid() == 0 else ()
        return RunningSidecar(data_dir, ("--config", str(self.config)), wrapper=wrapper)

    def can_be(self, name: str, damage: str) -> bool:
        """Whether there is something to change: a folder, or what is not there, cannot be cut."""
        path = self.used / name
        return damage in REPLACEMENTS or path.is_file() or (path.is_dir() and damage == "mode 000")

    def attack(self, name: str, damage: str) -> int:
        """Start a sidecar twice on a copy with one name replaced. Returns the most resident memory
        of a process. Raises AssertionError if it does not hold what it has to.
        """
        rng = random.Random(f"{SEED} {name} {damage}")
        data_dir, elsewhere = self.folder / "attacked", self.folder / "elsewhere"
        for folder in (data_dir, elsewhere):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.used, data_dir)
        elsewhere.mkdir()
        (elsewhere / "file").write_text("precious")
        (elsewhere / "000001.sst").write_text("precious")
        for path in (elsewhere, *elsewhere.iterdir()):
            path.chmod(0o755)
        before = content(elsewhere)
        _damage(data_dir / name, damage, elsewhere, rng)
        peaks = [_holds(self.sidecar(data_dir)) for _ in range(2)]
        assert content(elsewhere) == before
        assert max(peaks) < MOST_BYTES
        return max(peaks)


def content(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of all that is in a folder, and of the folder."""
    return {
        str(path): (stat.S_IMODE(path.stat().st_mode), b"" if path.is_dir() else path.read_bytes())
        for path in (folder, *folder.rglob("*"))
    }


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _damage(path: Path, damage: str, elsewhere: Path, rng: random.Random) -> None:
    if damage in CHANGES:
        CHANGES[damage](path, rng)
        return
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    REPLACEMENTS[damage](path, elsewhere, rng)


def _use(sidecar: RunningSidecar) -> None:
    """Leave all that a sidecar may leave: entries in tables and logs, a document, hot keys."""
    sidecar.start()
    for key in range(KEYS):
        for kind in (DELETED, REPLACED):
            assert sidecar.put(f"{kind}{key}", OLD * 200).status == 201
        assert sidecar.put(f"{KEPT}{key}", NEW * 200).status == 201
    assert sidecar.stop() == 0
    sidecar.start()
    for key in range(KEYS):
        assert sidecar.ask("DELETE", f"/v1/cache/test/{DELETED}{key}").status == 204
        assert sidecar.put(f"{REPLACED}{key}", NEW * 200).status == 204
    wait_until((sidecar.data_dir / "configuration.state").exists, "the document is kept")
    assert sidecar.stop() == 0


def _holds(sidecar: RunningSidecar) -> int:
    """A sidecar on an attacked folder starts, answers, gives no older value, and stops. Returns the
    most resident memory of a process.
    """
    try:
        sidecar.start()
        for key in range(KEYS):
            assert sidecar.get(f"{DELETED}{key}").status == 404
            for kind in (REPLACED, KEPT):
                answer = sidecar.get(f"{kind}{key}")
                assert answer.status == 404 or answer.body == NEW * 200
        assert sidecar.put("new", b"value").status in {201, 204}
        assert sidecar.get("new").body == b"value"
        peak = max(_peak_bytes(pid) for pid in (sidecar.pid, sidecar.child) if pid is not None)
        assert sidecar.stop() == 0
        return peak
    finally:
        if sidecar.process is not None and sidecar.process.returncode is None:
            sidecar.kill_both()


def _peak_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:  # L3's process was just given up
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return 0 if found is None else int(found[1]) * 1024


@contextmanager
def _names_that_appear(folder: Path) -> Iterator[set[str]]:
    """The names of all that is made directly in a folder meanwhile, for however short a time."""
    folder.mkdir(mode=0o700)
    names: set[str] = set()
    ended, listening = threading.Event(), threading.Event()

    def listen() -> None:
        looks = watch(
            folder,
            recursive=False,
            stop_event=ended,
            debounce=50,
            rust_timeout=100,
            yield_on_timeout=True,
        )
        for changes in looks:
            listening.set()
            names.update(Path(path).name for _, path in changes)

    listener = threading.Thread(target=listen)
    listener.start()
    listening.wait()
    yield names
    ended.set()
    listener.join()
