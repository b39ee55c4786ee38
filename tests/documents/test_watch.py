"""A folder is watched however its files are replaced, and the watch leaves nothing behind."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from sidecar.documents import folder
from tests.documents.kubelet import Mount, everywhere

FOREVER = 3600.0
"""An interval longer than any test, so that all changes come from inotify."""
PATIENCE = 30.0
"""The timeout of a test."""


def overwrite(path: Path, text: str) -> None:
    """Overwrite a file in place in one step, with content of the same length."""
    with path.open("r+") as file:
        file.write(text)


def put(path: Path, text: str) -> None:
    """Create a file atomically."""
    beside = path.parent.parent / "beside"
    beside.write_text(text)
    beside.rename(path)


def watched(
    path: Path, interval_seconds: float = FOREVER
) -> aclosing[AsyncGenerator[dict[str, str]]]:
    """A watch with a short quiet time, which is closed after the test."""
    watch = folder.watch(path, interval_seconds=interval_seconds, quiet_seconds=0.02)
    return aclosing(watch)


async def upcoming(watch: AsyncGenerator[dict[str, str]]) -> dict[str, str]:
    """The next texts."""
    async with asyncio.timeout(PATIENCE):
        return await anext(watch)


async def test_the_texts_come_at_first_and_after_a_change(tmp_path: Path) -> None:
    """inotify detects a file that is overwritten, added or removed."""
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
    """The watch follows `..data` from folder to folder, and ignores other changes."""
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
    """Backup, new file, rename: the moment without a file is over before the quiet time is."""
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
    """The same text, other files and other times yield nothing; the next change does."""
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
    """A change behind a link makes no event in the folder."""
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
    """`config -> releases/2` is another folder; its later changes are detected too."""
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
    """Nothing is yielded meanwhile; afterwards the texts are yielded even if they are unchanged."""
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
    """By default the error is logged."""
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
    """A growing file is not yielded until it is complete."""
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
    """The thread ends with the task, in any state; so it does after aclose."""
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
    """Files are read in a separate thread, never in that of the loop."""
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
    """On a node without free inotify instances, changes are detected late but not missed."""
    path = tmp_path / "folder"
    path.mkdir()
    (path / "cache.yaml").write_text("a: 1")
    code = """
import asyncio, os, pathlib, resource, sys
from sidecar.documents import folder

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
