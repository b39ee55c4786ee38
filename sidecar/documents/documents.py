"""The document in force, the last rejected one, and the last good one on the volume.

Documents of all sources are handled alike: parse, compare by revision, replace once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import structlog

from sidecar.config.errors import FieldError, InvalidDocument
from sidecar.config.tree import MAX_TEXT_BYTES
from sidecar.config.values import DOCUMENT_KEYS, Document, revision
from sidecar.documents.in_force import InForce
from sidecar.model.announcement import Announcement
from sidecar.model.clock import Clock
from sidecar.model.config_report import ConfigReport
from sidecar.process import state_file

FILE = "configuration.state"
MOST_FILE_BYTES = len(DOCUMENT_KEYS) * MAX_TEXT_BYTES + 4096
RETRY_SECONDS = 60.0
"""The wait before a failed write to the volume is retried."""

Texts = Mapping[str, str]

log = structlog.get_logger("sidecar.app")


class KeptDocument(msgspec.Struct):
    """The last good document, as stored on the volume."""

    texts: dict[str, str]


class Documents:
    """The document in force. `parse` is pure; it may take tenths of a second and runs in a thread.

    `announce` receives what may become an Event.
    """

    def __init__(
        self,
        clock: Clock,
        parse: Callable[[Texts], Document],
        data_dir: Path,
        announce: Callable[[Announcement], None],
        save: state_file.Save = state_file.save,
    ) -> None:
        self._in_force = InForce(clock, parse({}), applied_at=clock())
        self._parse = parse
        self._file = data_dir / FILE
        self._write = save
        self._announce = announce
        self._apply: Callable[[Document], None] | None = None
        self._turn = asyncio.Lock()
        self._offered: tuple[str, str, frozenset[str]] | None = None
        """Source, revision and keys of the last document seen, valid or not: a misspelt key is
        not in its revision."""
        self._refused: tuple[Texts, str] | None = None
        """The texts and the source of a document that was rejected by its content."""
        self._kept_revision: str | None = None
        self._unsaved = asyncio.Event()
        self.led_by_api = False
        """Whether the API has returned the ConfigMap; from then on the folder is ignored."""
        self._awaited: tuple[str, ...] = ()

    @property
    def document(self) -> Document:
        return self._in_force.document

    @property
    def source(self) -> str:
        return self._in_force.source

    @property
    def rejected(self) -> bool:
        """Whether the last document seen was rejected."""
        return self._in_force.rejected is not None

    def follow(self, apply: Callable[[Document], None]) -> None:
        """Call `apply` with every document that comes into force from now on."""
        self._apply = apply
        short = self.document.revision[:12]
        log.info("Configuration in force at startup", revision=short, source=self.source)

    # ---- called by the sources

    async def offer(self, texts: Texts, source: str, *, heard_at: float | None = None) -> None:
        """Apply a document if it is valid and new; otherwise record its errors.

        The same content again is ignored. `heard_at`, of `time.monotonic`, is when the source
        reported the change; the log shows the time since then.
        """
        async with self._turn:
            offered = source, revision(texts), frozenset(texts)
            if offered == self._offered or self._is_overruled(source):
                return
            parsed = await asyncio.to_thread(self._parse_whole, texts)
            if self._is_overruled(source):  # the API has answered meanwhile
                return
            if isinstance(parsed, InvalidDocument):
                self.refuse(parsed.errors, source)
                self._refused = texts, source
            else:
                self._take(parsed, source, heard_at)
            self._offered = offered

    def _is_overruled(self, source: str) -> bool:
        return source == "folder" and self.led_by_api

    def _parse_whole(self, texts: Texts) -> Document | InvalidDocument:
        try:
            return self._parse(texts)
        except InvalidDocument as error:
            return error

    def _take(self, document: Document, source: str, heard_at: float | None) -> None:
        self._refused = None
        before = self.source, self.rejected
        changed = self._in_force.take(document, source)
        self._awaited = ()
        short = document.revision[:12]
        if changed and self._apply is not None:
            self._apply(document)
            took = {} if heard_at is None else {"delay_seconds": time.monotonic() - heard_at}
            log.info("Configuration applied", revision=short, source=source, **took)
            note = f"Revision {short} from {source} is in force."
            self._announce(Announcement("ConfigurationApplied", "Configure", note, problem=False))
        elif not changed and before != (source, False):
            log.info("Configuration confirmed", revision=short, source=source)
        if document.revision != self._kept_revision:
            self._unsaved.set()

    def refuse(self, errors: Iterable[Exception | FieldError], source: str) -> None:
        """Record errors of a document, or of fetching it; the one in force stays."""
        self._in_force.refuse(errors, source)
        self._offered = self._refused = None
        sentences = self._in_force.rejected.errors if self._in_force.rejected else ()
        log.error("Configuration rejected", errors=list(sentences), source=source)
        note = "; ".join(sentences)
        self._announce(Announcement("ConfigurationRejected", "Configure", note))

    def wait_for(self, files: Iterable[str]) -> None:
        """These files of the folder are missing or without a text, which does not count yet."""
        awaited = tuple(files)
        if awaited and awaited != self._awaited:
            log.warning("Configuration files missing, for now without effect", files=list(awaited))
        self._awaited = awaited

    async def refit(self) -> None:
        """Fit the document in force to other limits of the container. If sizes that it states do
        not fit any more, it stays as it is; what is in force is then less than it states.

        One that was rejected is in force instead if it fits now, as it would be after a restart.
        """
        async with self._turn:
            if self._refused is not None:
                texts, source = self._refused
                parsed = await asyncio.to_thread(self._parse_whole, texts)
                if isinstance(parsed, Document) and not self._is_overruled(source):
                    changed = parsed.revision != self.document.revision
                    self._take(parsed, source, None)
                    if changed:
                        return
            parsed = await asyncio.to_thread(self._parse_whole, self.document.texts)
            if isinstance(parsed, InvalidDocument):
                log.warning("Configuration does not fit its limits", errors=list(parsed.errors))
                return
            self._in_force.refit(parsed)
            if self._apply is not None:
                self._apply(parsed)

    def expect(self) -> None:
        """Register a source without contact so far: the time of its last contact is 0."""
        self._in_force.last_contact_at = 0.0

    def heard(self) -> None:
        """Record that the leading source could be read, whatever its content."""
        self._in_force.heard()

    # ---- the volume

    async def recall(self) -> None:
        """Start with the last good document on the volume, if it is still valid."""
        kept = await asyncio.to_thread(state_file.load, self._file, KeptDocument, MOST_FILE_BYTES)
        if kept is None:
            return
        try:
            document = await asyncio.to_thread(self._parse, kept.texts)
        except InvalidDocument as error:
            log.warning("Configuration on the volume rejected", errors=list(error.errors))
            return
        self._kept_revision = document.revision
        self._in_force.take(document, "volume")

    async def keep_saving(self, retry_seconds: float = RETRY_SECONDS) -> None:
        """Store every document that comes into force on the volume, until cancelled.

        The writes run in a thread, since a volume may hang. A failure is logged once and retried.
        """
        failed = False
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(retry_seconds if failed else None):
                    await self._unsaved.wait()
            self._unsaved.clear()
            document = self.document
            data = msgspec.msgpack.encode(KeptDocument(dict(document.texts)))
            try:
                await asyncio.to_thread(self._write, self._file, data)
                self._kept_revision, failed = document.revision, False
            except OSError as error:
                if not failed:
                    log.warning("Configuration not stored on the volume", error=str(error))
                failed = True

    # ---- queries

    def notes(self) -> list[str]:
        """The current problems, as sentences."""
        notes = []
        if self.rejected:
            notes.append("The last configuration was rejected; see /v1/config.")
        if self._awaited:
            files = " and ".join(self._awaited)
            notes.append(
                f"{files} in the configuration folder: missing, or without a text. The document in"
                " force stays for a minute; SIGHUP reloads the folder at once."
            )
        return notes

    def describe(self) -> dict[str, Any]:
        """The part of /v1/config about documents."""
        rejected = self._in_force.rejected
        return {
            "revision": self.document.revision,
            "source": self.source,
            "applied_at": self._in_force.applied_at,
            "document": dict(self.document.texts),
            "rejected": rejected and asdict(rejected),
        }

    def report(self) -> ConfigReport:
        """For the metrics."""
        in_force = self._in_force
        return ConfigReport(
            revision=in_force.document.revision,
            source=in_force.source,
            last_reload_successful=in_force.rejected is None,
            applied_at=in_force.applied_at,
            last_contact_at=in_force.last_contact_at,
            reloads=in_force.reloads,
        )
