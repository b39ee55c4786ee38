"""A folder is read at one moment, and watched however its files are replaced."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from sidecar.config import folder
from sidecar.config.document import parse
from sidecar.config.errors import InvalidDocument, UnreadableFolderError
from sidecar.config.tree import MAX_TEXT_BYTES
from sidecar.config.values import DOCUMENT_KEYS

FOREVER = 3600.0
"""An interval that no test lives to see: what is noticed was told by inotify."""
PATIENCE = 30.0
"""When a test that waits for something has failed."""


class Mount:
    """A mounted ConfigMap, written the way the kubelet writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = 0
        path.mkdir()

    def publish(self, texts: dict[str, str]) -> None:
        """A new folder with its files, the swap of `..data`, links to it, an end of the old one."""
        self._count += 1
        data = self.path / "..data"
        old = data.resolve() if data.exists() else None
        new = self.path / f"..2025_06_01_19_15_33.{self._count}"
        new.mkdir()
        for key, text in texts.items():
            (new / key).write_text(text)
        link = self.path / "..data_tmp"
        link.symlink_to(new.name)
        link.rename(data)
        for key in texts:
            if not (self.path / key).is_symlink():
                (self.path / key).symlink_to(Path("..data") / key)
        for entry in self.path.iterdir():
            if entry.is_symlink() and not entry.exists():
                entry.unlink()
        if old:
            shutil.rmtree(old)


def overwrite(path: Path, text: str) -> None:
    """Write in place, in one step, what is as long as before."""
    with path.open("r+") as file:
        file.write(text)


def put(path: Path, text: str) -> None:
    """Make a file that is never seen half-written."""
    beside = path.parent.parent / "beside"
    beside.write_text(text)
    beside.rename(path)


def everywhere(text: str) -> dict[str, str]:
    """The same text under all keys, so that a mixture shows."""
    return dict.fromkeys(DOCUMENT_KEYS, text)


def watched(
    path: Path, interval_seconds: float = FOREVER
) -> aclosing[AsyncGenerator[dict[str, str]]]:
    """A watch with a short quiet time that is closed when the test is over."""
    watch = folder.watch(path, interval_seconds=interval_seconds, quiet_seconds=0.02)
    return aclosing(watch)


async def upcoming(watch: AsyncGenerator[dict[str, str]]) -> dict[str, str]:
    """The next texts."""
    async with asyncio.timeout(PATIENCE):
        return await anext(watch)


# ---- reading


def test_only_the_four_files_are_read(tmp_path: Path) -> None:
    """A missing file is no text, an empty one is, and files with other names are nobody's."""
    (tmp_path / "cache.yaml").write_text("promote_after: 3\r\n", newline="")
    (tmp_path / "rules.yaml").touch()
    (tmp_path / "README.md").write_text("hello")
    assert folder.read(tmp_path) == {"cache.yaml": "promote_after: 3\r\n", "rules.yaml": ""}


def test_an_empty_folder_has_no_texts(tmp_path: Path) -> None:
    """All files are optional."""
    assert folder.read(tmp_path) == {}


def test_a_file_that_is_too_long_is_read_no_further_than_its_refusal_needs(tmp_path: Path) -> None:
    """A gigabyte in a file costs a mebibyte of memory, and is refused by its first line."""
    with (tmp_path / "cache.yaml").open("wb") as file:
        file.truncate(1 << 30)
    texts = folder.read(tmp_path)
    assert len(texts["cache.yaml"]) == MAX_TEXT_BYTES + 1
    with pytest.raises(InvalidDocument, match="longer than 1MiB"):
        parse(texts, memory_policies=["lru"])


def test_what_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    """Latin-1 is found by the parser, which knows the line."""
    (tmp_path / "cache.yaml").write_bytes(b"promote_after: 3\n# caf\xe9\n")
    with pytest.raises(InvalidDocument, match=r"^cache\.yaml:2: the text is not UTF-8"):
        parse(folder.read(tmp_path), memory_policies=["lru"])


def test_a_missing_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Whoever mistypes the path sees the path."""
    missing = tmp_path / "missing"
    with pytest.raises(UnreadableFolderError, match=rf"^{missing} cannot be read: No such file"):
        folder.read(missing)


def test_a_folder_that_is_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    """A path to cache.yaml itself is a likely mistake."""
    file = tmp_path / "cache.yaml"
    file.touch()
    with pytest.raises(UnreadableFolderError, match=rf"^{file} cannot be read: Not a directory"):
        folder.read(file)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_is_an_error_that_names_it(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """A folder, a pipe without a writer or a dangling link instead of a file is no missing file."""
    path = tmp_path / "cache.yaml"
    make(path)
    with pytest.raises(UnreadableFolderError, match=rf"^{path} cannot be read: "):
        folder.read(tmp_path)


def test_a_mount_that_leads_nowhere_is_not_an_empty_one(tmp_path: Path) -> None:
    """Without the folder behind `..data` there is an error, and not the defaults."""
    (tmp_path / "..data").symlink_to("..gone")
    (tmp_path / "cache.yaml").symlink_to("..data/cache.yaml")
    with pytest.raises(UnreadableFolderError, match="cannot be read"):
        folder.read(tmp_path)


def test_a_mount_is_never_read_half_old_and_half_new(tmp_path: Path) -> None:
    """While the kubelet swaps without pause, all texts of a reading are of one generation."""
    mount = Mount(tmp_path / "mount")
    mount.publish(everywhere("0"))
    done = threading.Event()

    def swap() -> None:
        for generation in range(300):
            mount.publish(everywhere(str(generation)))
        done.set()

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    while not done.is_set():
        texts = folder.read(mount.path)
        assert texts == everywhere(texts["cache.yaml"])
        seen.add(texts["cache.yaml"])
    swapper.join()
    assert len(seen) > 1


# ---- watching


async def test_the_texts_come_at_first_and_after_a_change(tmp_path: Path) -> None:
    """A file that is overwritten, added or removed is noticed by inotify."""
    path = tmp_path / "folder"
    path.mkdir()
    (path / "cache.yaml").write_text("a: 1")
    async with watched(path) as watch:
        assert await upcoming(watch) == {"cache.yaml": "a: 1"}
        overwrite(path / "cache.yaml", "a: 2")
        assert await upcoming(watch) == {"cache.yaml": "a: 2"}
        put(path / "rules.yaml", "b: 1")
        assert await upcoming(watch) == {"cache.yaml": "a: 2", "rules.yaml": "b: 1"}
        (path / "cache.yaml").unlink()
        assert await upcoming(watch) == {"rules.yaml": "b: 1"}


async def test_a_swap_of_the_kubelet_is_one_change(tmp_path: Path) -> None:
    """`..data` is followed from folder to folder, whatever appears and goes beside it."""
    mount = Mount(tmp_path / "mount")
    mount.publish(everywhere("1"))
    async with watched(mount.path) as watch:
        assert await upcoming(watch) == everywhere("1")
        for generation in ("2", "3", "4"):
            mount.publish(everywhere(generation))
            assert await upcoming(watch) == everywhere(generation)
        mount.publish({"cache.yaml": "5"})
        assert await upcoming(watch) == {"cache.yaml": "5"}


async def test_an_editor_that_renames_is_one_change(tmp_path: Path) -> None:
    """Backup, new file, rename: the moment without a file is over before it is believed."""
    path = tmp_path / "cache.yaml"
    path.write_text("a: 1")
    async with aclosing(folder.watch(tmp_path, quiet_seconds=0.3)) as watch:
        await upcoming(watch)
        (tmp_path / "4913").touch()
        (tmp_path / "4913").unlink()
        path.rename(tmp_path / "cache.yaml~")
        (tmp_path / ".cache.yaml.swp").write_text("a: 2")
        (tmp_path / ".cache.yaml.swp").rename(path)
        (tmp_path / "cache.yaml~").unlink()
        assert await upcoming(watch) == {"cache.yaml": "a: 2"}


async def test_what_leaves_the_content_as_it_is_is_no_change(tmp_path: Path) -> None:
    """The same text again, other files and other times yield nothing; the next change does."""
    mount = Mount(tmp_path / "mount")
    mount.publish(everywhere("1"))
    async with watched(mount.path) as watch:
        await upcoming(watch)
        mount.publish(everywhere("1"))
        (mount.path / "README.md").write_text("hello")
        os.utime(mount.path)
        mount.publish(everywhere("2"))
        assert await upcoming(watch) == everywhere("2")


async def test_a_change_that_inotify_misses_is_seen_by_looking(tmp_path: Path) -> None:
    """What changes behind a link makes no event in the folder."""
    target = tmp_path / "elsewhere.yaml"
    target.write_text("a: 1")
    path = tmp_path / "folder"
    path.mkdir()
    (path / "cache.yaml").symlink_to(target)
    async with watched(path, interval_seconds=0.05) as watch:
        await upcoming(watch)
        overwrite(target, "a: 2")
        assert await upcoming(watch) == {"cache.yaml": "a: 2"}


async def test_a_folder_behind_a_link_may_be_swapped(tmp_path: Path) -> None:
    """`config -> releases/2` is another folder, and its later changes are noticed too."""
    for release in ("1", "2"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "cache.yaml").write_text(f"a: {release}")
    path = tmp_path / "config"
    path.symlink_to("1")
    async with watched(path, interval_seconds=0.05) as watch:
        await upcoming(watch)
        (tmp_path / "tmp").symlink_to("2")
        (tmp_path / "tmp").rename(path)
        assert await upcoming(watch) == {"cache.yaml": "a: 2"}
        overwrite(path / "cache.yaml", "a: 3")
        assert await upcoming(watch) == {"cache.yaml": "a: 3"}


async def test_a_folder_that_vanishes_is_told_once_and_taken_up_again(tmp_path: Path) -> None:
    """In between nothing is yielded; afterwards the texts come even if they are the former ones."""
    path, away = tmp_path / "folder", tmp_path / "away"
    away.mkdir()
    (away / "cache.yaml").write_text("a: 1")
    told: asyncio.Queue[str] = asyncio.Queue()
    watch = folder.watch(
        path,
        interval_seconds=0.05,
        quiet_seconds=0.02,
        on_unreadable=lambda error: told.put_nowait(str(error)),
    )
    async with aclosing(watch):
        first = asyncio.create_task(upcoming(watch))
        async with asyncio.timeout(PATIENCE):
            assert "No such file" in await told.get()
        for _ in range(2):
            away.rename(path)
            assert await first == {"cache.yaml": "a: 1"}
            first = asyncio.create_task(upcoming(watch))
            path.rename(away)
            async with asyncio.timeout(PATIENCE):
                assert str(path) in await told.get()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    assert told.empty()


async def test_an_unreadable_folder_is_logged_unless_somebody_else_is_told(
    tmp_path: Path,
) -> None:
    """A mistake that is nobody's business is nobody's to find: by default it is in the log."""
    heard: asyncio.Queue[logging.LogRecord] = asyncio.Queue()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.put_nowait(record)

    listener = Listener()
    logging.getLogger("sidecar.config").addHandler(listener)
    (tmp_path / "cache.yaml").mkdir()
    async with watched(tmp_path) as watch:
        texts = asyncio.create_task(upcoming(watch))
        async with asyncio.timeout(PATIENCE):
            record = await heard.get()
        (tmp_path / "cache.yaml").rmdir()
        assert await texts == {}
    logging.getLogger("sidecar.config").removeHandler(listener)
    assert heard.empty()
    assert record.levelname == "WARNING"
    assert f"{tmp_path}/cache.yaml cannot be read" in str(record.__dict__["reason"])


async def test_half_a_file_is_not_believed(tmp_path: Path) -> None:
    """While a file grows it is not yielded; what is yielded in the end is all of it."""
    path = tmp_path / "cache.yaml"
    path.write_text("")
    watch = folder.watch(tmp_path, interval_seconds=FOREVER, quiet_seconds=0.5)
    async with aclosing(watch):
        await upcoming(watch)
        growing = asyncio.create_task(upcoming(watch))
        with path.open("a") as file:
            for number in range(100):
                file.write(f"# {number}\n")
                file.flush()
                await asyncio.sleep(0)
        assert (await growing)["cache.yaml"] == path.read_text()


async def test_nothing_is_left_running_after_cancellation(tmp_path: Path) -> None:
    """The thread has ended when the task has, wherever it was; so it has after aclose."""
    before = set(threading.enumerate())

    async def follow() -> None:
        async for _ in folder.watch(tmp_path):
            begun.set()

    begun = asyncio.Event()
    task = asyncio.create_task(follow())
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert set(threading.enumerate()) == before

    watch = folder.watch(tmp_path)
    await upcoming(watch)
    await watch.aclose()
    assert set(threading.enumerate()) == before


async def test_a_folder_that_hangs_does_not_stop_the_event_loop(tmp_path: Path) -> None:
    """All reading is in one thread of its own, none in the loop's."""
    (tmp_path / "cache.yaml").write_text("a: 1")
    opened_by = set()

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and arguments[0] == "cache.yaml":
            opened_by.add(threading.current_thread().name)

    sys.addaudithook(note)
    async with watched(tmp_path) as watch:
        await upcoming(watch)
    assert opened_by == {"config-watch"}


def test_without_inotify_the_folder_is_looked_at_all_the_same(tmp_path: Path) -> None:
    """A node whose inotify instances are used up costs promptness, not correctness."""
    path = tmp_path / "folder"
    path.mkdir()
    (path / "cache.yaml").write_text("a: 1")
    code = """
import asyncio, os, pathlib, resource, sys
from sidecar.config import folder

async def main(path):
    watch = folder.watch(path, interval_seconds=0.05, quiet_seconds=0.01)
    spare = [os.open(os.devnull, os.O_RDONLY) for _ in range(9)]
    for descriptor in spare[-2:]:  # enough for a folder and a file, too few for inotify
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare[-1] + 1, 4096))
    print(await anext(watch), flush=True)
    sys.stdin.readline()
    print(await anext(watch), flush=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    await watch.aclose()

asyncio.run(main(pathlib.Path(sys.argv[1])))
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "{'cache.yaml': 'a: 1'}\n"
        overwrite(path / "cache.yaml", "a: 2")
        output, _ = child.communicate("go\n", timeout=60)
        assert output == "{'cache.yaml': 'a: 2'}\n"
        assert child.returncode == 0
