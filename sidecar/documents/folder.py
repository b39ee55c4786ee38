"""A directory as the source of a document: read consistently, and watched.

The directory is a mounted ConfigMap, or a local one during development. The kubelet never writes
to a mounted file: it fills a new directory `..<timestamp>`, atomically replaces the symlink
`..data`, and removes the old directory. So all files are read from the directory that `..data`
points to, and are used only if it still points there afterwards.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import stat
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path

from sidecar.config.errors import UnreadableFolderError
from sidecar.config.names import key_meant
from sidecar.config.tree import MAX_TEXT_BYTES
from sidecar.config.values import DOCUMENT_KEYS
from sidecar.process.imports import hollow

# The backend is documented for direct use. The library's higher-level functions do not report when
# they listen, and import anyio and multiprocessing.
with hollow("watchfiles"):
    from watchfiles._rust_notify import RustNotify

INTERVAL_SECONDS = 10.0
"""How often the content is read without a notification."""
QUIET_SECONDS = 0.2
"""How long the content has to stay unchanged before it is used: editors write in several steps."""

Texts = dict[str, str]
Look = Texts | str
"""The texts, or the reason why they cannot be read."""

_READ_ATTEMPTS = 10
_QUIET_ATTEMPTS = 50
_RETRY_SECONDS = 1.0
_LONGEST_BURST_MS = 2000

_log = logging.getLogger("sidecar.config")


def read(path: Path) -> Texts:
    """The texts of the document's files, and no text for those whose names are misspelt. Missing
    files are omitted; other files are ignored.

    Of each file at most one byte more is read than a text may have. Bytes that are not UTF-8 become
    surrogates, so that the parser can report their line. Raises UnreadableFolderError.
    """
    try:
        for _ in range(_READ_ATTEMPTS):
            folder = os.open(_content_of(path), os.O_RDONLY | os.O_DIRECTORY)
            try:
                found = [(key, _text(key, folder)) for key in DOCUMENT_KEYS]
                with os.scandir(folder) as files:
                    found += [(file.name, "") for file in files if key_meant(file.name)]
                if os.path.samestat(os.fstat(folder), _content_of(path).stat()):
                    return {key: text for key, text in found if text is not None}
            finally:
                os.close(folder)
    except OSError as error:
        culprit = path / error.filename if error.filename in DOCUMENT_KEYS else path
        raise UnreadableFolderError(f"{culprit} cannot be read: {error.strerror}") from None
    raise UnreadableFolderError(f"{path} cannot be read: it keeps changing")


def is_swapped(path: Path) -> bool:
    """Whether the directory is replaced as a whole, so that a missing file was left out."""
    return _content_of(path) != path


def _content_of(path: Path) -> Path:
    """The directory of the files: the target of `..data` if it exists, even a dangling one."""
    data = path / "..data"
    return data if os.path.lexists(data) else path


def _text(key: str, folder: int) -> str | None:
    try:
        # Without O_NONBLOCK, opening a pipe without a writer would block forever.
        descriptor = os.open(key, os.O_RDONLY | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError:
        if key in os.listdir(folder):  # a dangling link is not a missing file
            raise
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", key)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_TEXT_BYTES + 1).decode("utf-8", "surrogateescape")
    finally:
        os.close(descriptor)


def log_unreadable(error: UnreadableFolderError) -> None:
    """Log that the folder cannot be read; the document in force stays."""
    _log.warning("Configuration folder unreadable", extra={"reason": str(error)})


async def watch(
    path: Path,
    *,
    interval_seconds: float = INTERVAL_SECONDS,
    quiet_seconds: float = QUIET_SECONDS,
    on_unreadable: Callable[[UnreadableFolderError], None] = log_unreadable,
    on_contact: Callable[[], None] = lambda: None,
    counts: Callable[[Texts], bool] = lambda _: True,
) -> AsyncGenerator[Texts, None]:
    """The texts, first at the start and then whenever their content has changed.

    inotify reports a change at once; without it, or for a change behind a link, the content is
    compared every `interval_seconds`. A change is used when the content has been stable for
    `quiet_seconds`. While the folder cannot be read, nothing is yielded: `on_unreadable` is called
    once for each reason, and the next texts are yielded even if they are unchanged. `on_contact` is
    called after each successful read, at least every `interval_seconds`. Texts that do not count
    are not yielded: `counts` is asked again after each read, and the next ones that do are yielded
    even if they are unchanged.

    One thread does all waiting and reading. It ends within `quiet_seconds` after the generator is
    closed, by cancellation or by `aclose`.
    """
    loop = asyncio.get_running_loop()
    looks: asyncio.Queue[Look | Exception] = asyncio.Queue()
    ended = asyncio.Event()
    stop = threading.Event()

    def run() -> None:
        try:
            for look in _looks(path, stop, interval_seconds, quiet_seconds):
                loop.call_soon_threadsafe(looks.put_nowait, look)
        except Exception as error:  # noqa: BLE001  (the boundary of the thread: raised below)
            loop.call_soon_threadsafe(looks.put_nowait, error)
        finally:
            loop.call_soon_threadsafe(ended.set)

    thread = threading.Thread(target=run, name="config-watch", daemon=True)
    thread.start()
    last: Look | None = None
    try:
        while True:
            look = await looks.get()
            if isinstance(look, Exception):
                raise look
            if not isinstance(look, str):
                on_contact()
            if look == last:
                continue
            last = look
            if isinstance(look, str):
                on_unreadable(UnreadableFolderError(look))
            elif counts(look):
                yield look
            else:
                last = None
    finally:
        stop.set()
        await ended.wait()
        thread.join()


def _looks(
    path: Path, stop: threading.Event, interval_seconds: float, quiet_seconds: float
) -> Iterator[Look]:
    """The folder's content at each occasion; new content once it is stable."""
    last: Look | None = None
    for _ in _occasions(path, stop, interval_seconds, quiet_seconds):
        look = _look(path)
        if last is not None and look != last:
            look = _settled(look, path, stop, quiet_seconds)
        last = look
        yield look


def _look(path: Path) -> Look:
    try:
        return read(path)
    except UnreadableFolderError as error:
        return str(error)


def _settled(look: Look, path: Path, stop: threading.Event, quiet_seconds: float) -> Look:
    """The content once two reads in a row are equal; the last one if it never becomes stable."""
    for _ in range(_QUIET_ATTEMPTS):
        before = look
        stop.wait(quiet_seconds)
        look = _look(path)
        if look == before or stop.is_set():
            break
    return look


def _occasions(
    path: Path, stop: threading.Event, interval_seconds: float, quiet_seconds: float
) -> Iterator[None]:
    """When to read: at the start, after an inotify event, and every `interval_seconds`."""
    while not stop.is_set():
        try:
            yield from _told(path, stop, interval_seconds, quiet_seconds)
        except (OSError, RuntimeError):  # the folder does not exist, or inotify is exhausted
            yield
            stop.wait(min(interval_seconds, _RETRY_SECONDS))


def _told(
    path: Path, stop: threading.Event, interval_seconds: float, quiet_seconds: float
) -> Iterator[None]:
    """The occasions while the path is the same folder; inotify watches the folder, not the path."""
    interval_ms, quiet_ms = int(interval_seconds * 1000) + 1, int(quiet_seconds * 1000) + 1
    folder = path.stat()
    with RustNotify([str(path)], False, False, 0, False, False) as changes:
        yield  # only now does inotify report every later change
        while not stop.is_set() and os.path.samestat(path.stat(), folder):
            changes.watch(_LONGEST_BURST_MS, quiet_ms, interval_ms, stop)
            yield
