"""The path that every document takes, and the last valid document on the volume."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.errors import FieldError, InvalidDocument
from sidecar.config.values import Document
from sidecar.documents.documents import FILE, MOST_FILE_BYTES, Documents, KeptDocument
from sidecar.model.announcement import Announcement
from sidecar.process.state_file import load, save

READ = partial(parse, vocabulary=CATALOGUE.vocabulary)
BAD = {"cache.yaml": "promote_after: -1"}


def good(number: int) -> dict[str, str]:
    return {"cache.yaml": f"promote_after: {number}"}


class Bench:
    """Documents, with a record of each application and event."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self.applied: list[int] = []
        self.told: list[Announcement] = []
        self.parsed_by: set[str] = set()
        self.parsing = False
        self.during_parse: threading.Event | None = None
        """Blocks a parse until it is set."""
        self.documents = Documents(lambda: 1000.0, self._parse, folder, self.told.append)
        self.documents.follow(self._apply)

    def _parse(self, texts: Mapping[str, str]) -> Document:
        self.parsed_by.add(threading.current_thread().name)
        self.parsing = self.during_parse is not None
        if self.during_parse is not None:
            self.during_parse.wait(20)
        return READ(texts)

    def _apply(self, document: Document) -> None:
        self.applied.append(document.cache.promote_after)

    async def kept(self, texts: Mapping[str, str]) -> None:
        """Wait until the volume has this document."""
        keeping = asyncio.create_task(self.documents.keep_saving())
        async with asyncio.timeout(20):
            while self.on_volume() != texts:
                await asyncio.sleep(0.002)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    def on_volume(self) -> Mapping[str, str] | None:
        kept = load(self._file, KeptDocument, MOST_FILE_BYTES)
        return None if kept is None else kept.texts


async def test_the_same_content_twice_is_no_event(tmp_path: Path) -> None:
    """A document, valid or invalid, is applied, counted and announced once."""
    bench = Bench(tmp_path)
    for texts in (good(3), good(3), BAD, BAD, good(3), good(4), good(4)):
        await bench.documents.offer(texts, "api")
    assert bench.applied == [3, 4]
    assert [it.reason for it in bench.told] == [
        "ConfigurationApplied",
        "ConfigurationRejected",
        "ConfigurationApplied",
    ]
    assert bench.documents.report().reloads == {("api", "success"): 3, ("api", "failure"): 1}
    assert not bench.documents.rejected


async def test_the_log_says_what_is_in_force_and_where_from(tmp_path: Path) -> None:
    """At the start, after a change, after an error, and after a change of the source."""
    with capture_logs() as logged:
        bench = Bench(tmp_path)
        for texts, source in (
            (good(3), "folder"),
            (BAD, "folder"),
            (good(3), "folder"),
            (good(3), "api"),
            (good(3), "api"),
        ):
            await bench.documents.offer(texts, source)
    assert [(it["event"].removeprefix("Configuration "), it["source"]) for it in logged] == [
        ("in force at startup", "defaults"),
        ("applied", "folder"),
        ("rejected", "folder"),
        ("confirmed", "folder"),
        ("confirmed", "api"),
    ]


async def test_parsing_leaves_the_event_loop_alone(tmp_path: Path) -> None:
    """Parsing may take tenths of a second; only the defaults are read in the loop's thread."""
    bench = Bench(tmp_path)
    bench.parsed_by.clear()
    await bench.documents.offer(good(3), "folder")
    assert threading.current_thread().name not in bench.parsed_by


async def test_documents_that_come_at_once_are_taken_in_order(tmp_path: Path) -> None:
    """The last document is in force in the end, however long each takes to parse."""
    bench = Bench(tmp_path)
    long = {"cache.yaml": "# x\n" * 200_000 + "promote_after: 3"}
    await asyncio.gather(
        bench.documents.offer(long, "api"),
        bench.documents.offer(good(4), "api"),
        bench.documents.offer(good(5), "api"),
    )
    assert bench.applied == [3, 4, 5]


async def test_once_the_api_leads_the_folder_has_no_say(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.documents.offer(good(3), "folder")
    bench.documents.led_by_api = True
    await bench.documents.offer(good(4), "folder")
    await bench.documents.offer(good(5), "api")
    assert bench.applied == [3, 5]


async def test_a_folder_that_is_overtaken_by_the_api_has_no_say(tmp_path: Path) -> None:
    """The API reports a document while that of the folder is parsed: the API's state stays."""
    bench = Bench(tmp_path)
    bench.during_parse = threading.Event()
    folder = asyncio.create_task(bench.documents.offer(good(3), "folder"))
    async with asyncio.timeout(20):
        while not bench.parsing:
            await asyncio.sleep(0.002)
    bench.documents.led_by_api = True
    bench.documents.refuse([FieldError("cache.yaml", 1, "", "it is binary")], "api")
    bench.during_parse.set()
    await folder
    assert bench.applied == []
    assert bench.documents.rejected


async def test_the_last_good_one_is_there_after_a_restart(tmp_path: Path) -> None:
    """It is not the last one, which was rejected."""
    bench = Bench(tmp_path)
    await bench.documents.offer(good(3), "api")
    await bench.documents.offer(BAD, "api")
    await bench.kept(good(3))
    after = Bench(tmp_path)
    await after.documents.recall()
    assert after.documents.document.texts == good(3)
    assert after.documents.source == "volume"


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, b"x" * (5 << 20)])
async def test_a_damaged_file_is_passed_over(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE).write_bytes(data)
    bench = Bench(tmp_path)
    await bench.documents.recall()
    assert bench.documents.source == "defaults"


async def test_one_that_is_not_good_any_more_is_passed_over(tmp_path: Path) -> None:
    """For example, the memory limit was lowered; this is no error in the operator's document."""
    bench = Bench(tmp_path)
    large = {"cache.yaml": "tiers: {l2: {max_bytes: 1GiB}}"}
    await bench.documents.offer(large, "api")
    await bench.kept(large)
    smaller = partial(READ, memory_limit_bytes=256 << 20)
    after = Documents(lambda: 1000.0, smaller, tmp_path, lambda _: None)
    await after.recall()
    assert (after.source, after.rejected) == ("defaults", False)


async def test_a_volume_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    """Every document still comes into force, and is stored once that is possible."""
    (tmp_path / FILE).mkdir()
    bench = Bench(tmp_path)
    keeping = asyncio.create_task(bench.documents.keep_saving())
    with capture_logs() as logged:
        async with asyncio.timeout(20):
            for number in range(3, 8):
                await bench.documents.offer(good(number), "api")
            while not any("not stored on the volume" in it["event"] for it in logged):
                await asyncio.sleep(0.002)
            for number in range(8, 12):
                await bench.documents.offer(good(number), "api")
            assert bench.applied == [*range(3, 12)]
            (tmp_path / FILE).rmdir()
            await bench.documents.offer(good(12), "api")
            while bench.on_volume() != good(12):
                await asyncio.sleep(0.002)
    assert sum("not stored on the volume" in it["event"] for it in logged) == 1
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_a_volume_that_was_full_is_written_when_it_can_be(tmp_path: Path) -> None:
    """It is written although nothing has changed: a restart would use the previous document."""
    (tmp_path / FILE).mkdir()
    bench = Bench(tmp_path)
    keeping = asyncio.create_task(bench.documents.keep_saving(retry_seconds=0.01))
    with capture_logs() as logged:
        async with asyncio.timeout(20):
            await bench.documents.offer(good(3), "api")
            while not any("not stored on the volume" in it["event"] for it in logged):
                await asyncio.sleep(0.002)
            (tmp_path / FILE).rmdir()
            while bench.on_volume() != good(3):
                await asyncio.sleep(0.002)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


HOSTILE: dict[str, object] = {
    "no text": {"texts": {"cache.yaml": 5}},
    "no map": {"texts": ["cache.yaml"]},
    "nothing": {},
    "another shape": [1, 2, 3],
    "an unknown key": {"texts": {"rule.yaml": "promote_after: 3"}},
    "deep": {"texts": {"cache.yaml": "[" * 100_000}},
    "deep in YAML": {"texts": {"rules.yaml": "a: " + "{a: " * 5_000 + "}" * 5_000}},
    "sizes": {"texts": {"cache.yaml": f"tiers: {{l2: {{max_bytes: {1 << 70}}}}}"}},
    "counts": {"texts": {"cache.yaml": "promote_after: -5"}},
    "long": {"texts": {"cache.yaml": "# " + "x" * (2 << 20)}},
    "a surrogate in YAML": {"texts": {"cache.yaml": 'default_ttl: "\\ud800"'}},
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_whatever_the_volume_has_is_read_like_any_document(tmp_path: Path, name: str) -> None:
    """It is rejected as a whole, the defaults stay, and the next document is taken."""
    save(tmp_path / FILE, msgspec.msgpack.encode(HOSTILE[name]))
    bench = Bench(tmp_path)
    await bench.documents.recall()
    assert bench.documents.source == "defaults"
    await bench.documents.offer(good(3), "folder")
    assert bench.applied == [3]


async def test_one_that_was_rejected_for_a_limit_is_taken_when_the_limit_is_raised(
    tmp_path: Path,
) -> None:
    """As a pod that starts with the new limit takes it; one that fits no better stays rejected."""
    least = 5

    def fits(texts: Mapping[str, str]) -> Document:
        document = READ(texts)
        if document.cache.promote_after > least:
            raise InvalidDocument([FieldError("cache.yaml", 1, "promote_after", "does not fit")])
        return document

    applied: list[int] = []
    documents = Documents(lambda: 1000.0, fits, tmp_path, lambda _: None)
    documents.follow(lambda document: applied.append(document.cache.promote_after))
    await documents.offer(good(3), "api")
    await documents.offer(good(7), "api")
    await documents.refit()
    assert (applied, documents.rejected) == ([3, 3], True)
    least = 10
    await documents.refit()
    assert (applied, documents.rejected) == ([3, 3, 7], False)
    least = 5
    await documents.refit()
    assert (applied, documents.rejected) == ([3, 3, 7], False)
    documents.refuse([FieldError("cache.yaml", 1, "", "binary")], "api")
    await documents.refit()
    assert documents.rejected
