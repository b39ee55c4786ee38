"""A file that is empty or missing for a moment is no statement; one that stays so is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.documents import following
from sidecar.documents.documents import Documents
from sidecar.documents.following import ABSENCE_SECONDS
from tests.documents.kubelet import Mount

CACHE, BASELINES = "promote_after: 7\n", "baselines: {}\n"
DEFAULT = 2
PATIENCE_SECONDS = 20.0
"""The timeout of a test."""


class Folder:
    """A folder that is followed, with a clock that is set by the test."""

    def __init__(self, path: Path, data_dir: Path) -> None:
        self.path = path
        self.now = 1000.0
        self.asked = 0
        """How often the clock was read: at each look at the folder while a file is waited for."""
        read = partial(parse, vocabulary=CATALOGUE.vocabulary)
        self.documents = Documents(lambda: 0.0, read, data_dir, lambda _: None)

    def clock(self) -> float:
        self.asked += 1
        return self.now

    @property
    def promote_after(self) -> int:
        return self.documents.document.cache.promote_after

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        await following.start_with(self.documents, self.path)
        task = asyncio.create_task(
            following.follow(
                self.documents, self.path, leading=True, clock=self.clock, interval_seconds=0.02
            )
        )
        await self.until(lambda: self.asked > 0)
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def seen(self) -> None:
        """Wait until the folder was looked at again, while a file is waited for."""
        asked = self.asked
        await self.until(lambda: self.asked >= asked + 3)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                await asyncio.sleep(0.002)

    async def awaits(self, *files: str) -> None:
        """Wait for the note that names these files, and no others."""
        await self.until(lambda: bool(self.documents.notes()))
        [note] = self.documents.notes()
        assert note.startswith(f"{' and '.join(files)} in the configuration folder")


def writing(text: str) -> Callable[[Path], object]:
    """What writes a text to a file."""
    return lambda path: path.write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    path = tmp_path / "config"
    path.mkdir()
    (path / "cache.yaml").write_text(CACHE)
    (path / "baselines.yaml").write_text(BASELINES)
    return Folder(path, tmp_path)


@pytest.mark.parametrize(
    "vanish",
    [
        Path.unlink,
        writing(""),
        writing(" \n\n"),
        writing("# of the shop\r\n\n  #"),
        writing("\ufeff---\n# of the shop\n"),
        writing("---\n..."),
    ],
    ids=["missing", "empty", "blank", "comments", "its begin", "marks"],
)
async def test_what_is_gone_counts_after_a_minute(
    folder: Folder, vanish: Callable[[Path], object]
) -> None:
    """Until then the document in force stays, and a note says so."""
    async with folder.followed():
        vanish(folder.path / "cache.yaml")
        await folder.awaits("cache.yaml")
        folder.now += ABSENCE_SECONDS - 1
        await folder.seen()
        assert folder.promote_after == 7
        folder.now += 1
        await folder.until(lambda: folder.promote_after == DEFAULT)
        assert folder.documents.notes() == []


@pytest.mark.parametrize("text", ["{}", "--- {}\n", "# all defaults\nnull\n"])
async def test_a_statement_of_nothing_counts_at_once(folder: Folder, text: str) -> None:
    """No editor leaves it for a moment."""
    async with folder.followed():
        (folder.path / "cache.yaml").write_text(text)
        await folder.until(lambda: folder.promote_after == DEFAULT)
        assert folder.documents.notes() == []


async def test_what_comes_back_is_nothing_new(folder: Folder) -> None:
    """The same document is neither applied nor counted again, and the next absence starts anew."""
    async with folder.followed():
        for _ in range(2):
            (folder.path / "cache.yaml").write_text("")
            await folder.awaits("cache.yaml")
            folder.now += ABSENCE_SECONDS - 1
            (folder.path / "cache.yaml").write_text(CACHE)
            await folder.until(lambda: folder.documents.notes() == [])
        assert folder.promote_after == 7
        assert folder.documents.report().reloads["folder", "success"] == 1


async def test_each_file_has_a_minute_of_its_own(folder: Folder) -> None:
    """No document that mixes old and new texts is in force meanwhile."""
    async with folder.followed():
        (folder.path / "cache.yaml").unlink()
        await folder.awaits("cache.yaml")
        folder.now += ABSENCE_SECONDS - 1
        (folder.path / "baselines.yaml").unlink()
        await folder.until(lambda: "baselines.yaml" in str(folder.documents.notes()))
        folder.now += 1
        await folder.seen()
        await folder.awaits("baselines.yaml")
        assert folder.promote_after == 7
        folder.now += ABSENCE_SECONDS - 1
        await folder.until(lambda: folder.promote_after == DEFAULT)
        assert folder.documents.document.texts == {}


async def test_a_change_counts_at_once(folder: Folder) -> None:
    """So does a file that never had a text, and one that is added."""
    async with folder.followed():
        (folder.path / "rules.yaml").write_text("")
        (folder.path / "cache.yaml").write_text("promote_after: 8\n")
        await folder.until(lambda: folder.promote_after == 8)
        (folder.path / "rules.yaml").unlink()
        await folder.until(lambda: "rules.yaml" not in folder.documents.document.texts)
        assert folder.documents.notes() == []


async def test_an_explicit_reload_counts_at_once(folder: Folder) -> None:
    """SIGHUP says that the folder is as it should be; what comes back later is a change."""
    async with folder.followed():
        (folder.path / "cache.yaml").unlink()
        await folder.awaits("cache.yaml")
        await following.read_again(folder.documents, folder.path)
        assert folder.promote_after == DEFAULT
        assert folder.documents.notes() == []
        (folder.path / "cache.yaml").write_text(CACHE)
        await folder.until(lambda: folder.promote_after == 7)


async def test_a_start_waits_for_nothing(folder: Folder) -> None:
    """The document on the volume does not stand in for what is missing."""
    async with folder.followed():
        keeping = asyncio.create_task(folder.documents.keep_saving())
        await folder.until((folder.path.parent / "configuration.state").exists)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    (folder.path / "cache.yaml").unlink()
    again = Folder(folder.path, folder.path.parent)
    await again.documents.recall()
    assert again.promote_after == 7
    async with again.followed():
        assert again.promote_after == DEFAULT
        assert again.documents.notes() == []


async def test_a_swap_counts_at_once(tmp_path: Path) -> None:
    """A ConfigMap that lost a key, or has an empty one, was edited so."""
    mount = Mount(tmp_path / "mount")
    mount.publish({"cache.yaml": CACHE, "baselines.yaml": BASELINES})
    folder = Folder(mount.path, tmp_path)
    async with folder.followed():
        mount.publish({"baselines.yaml": BASELINES})
        await folder.until(lambda: folder.promote_after == DEFAULT)
        mount.publish({"cache.yaml": CACHE})
        await folder.until(lambda: folder.promote_after == 7)
        mount.publish({"cache.yaml": ""})
        await folder.until(lambda: folder.promote_after == DEFAULT)
        assert folder.documents.notes() == []


async def test_the_api_counts_at_once(folder: Folder) -> None:
    """A key that was deleted there means the defaults, as for a pod that starts then."""
    async with folder.followed():
        (folder.path / "cache.yaml").unlink()
        await folder.awaits("cache.yaml")
        folder.documents.led_by_api = True
        await folder.documents.offer({"cache.yaml": CACHE}, "api")
        await folder.documents.offer({}, "api")
        assert folder.promote_after == DEFAULT
        assert folder.documents.notes() == []
