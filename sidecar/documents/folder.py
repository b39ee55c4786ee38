"""A directory as the source of a document: read at one moment, and watched.

The directory is a mounted ConfigMap, or one's own while developing. The kubelet never writes into
a mounted file: it fills a new folder `..<timestamp>`, renames the symlink `..data` onto it, and
removes the old folder. So all files are read from the one folder that `..data` leads to, and are
believed only if it still leads there afterwards.
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
from sidecar.config.tree import MAX_TEXT_BYTES
from sidecar.config.values import DOCUMENT_KEYS
from sidecar.process.imports import hollow

# The backend is documented for direct use; the functions above it do not say when they listen, and
# import anyio and multiprocessing.
with hollow("watchfiles"):
    from watchfiles._rust_notify import RustNotify

INTERVAL_SECONDS = 10.0
"""How often the content is looked at although nothing was heard."""
QUIET_SECONDS = 0.2
"""How long a change has to be over before it is believed: an editor writes in several steps."""

Texts = dict[str, str]
Look = Texts | str
"""The texts, or why they cannot be read."""

_READ_ATTEMPTS = 10
_QUIET_ATTEMPTS = 50
_RETRY_SECONDS = 1.0
_LONGEST_BURST_MS = 2000

_log = logging.getLogger("sidecar.config")


def read(path: Path) -> Texts:
    """The texts of the document's files. A missing file is no text; other files are ignored.

    Of each file at most one byte more is read than a text may have. What is not UTF-8 is kept as
    surrogates, so that parsing can say in which line it is. Raises UnreadableFolderError.
    """
    try:
        for _ in range(_READ_ATTEMPTS):
            folder = os.open(_content_of(path), os.O_RDONLY | os.O_DIRECTORY)
            try:
                found = [(key, _text(key, folder)) for key in DOCUMENT_KEYS]
                if os.path.samestat(os.fstat(folder), _content_of(path).stat()):
                    return {key: text for key, text in found if text is not None}
            finally:
                os.close(folder)
    except OSError as error:
        culprit = path / error.filename if error.filename in DOCUMENT_KEYS else path
        raise UnreadableFolderError(f"{culprit} cannot be read: {error.strerror}") from None
    raise UnreadableFolderError(f"{path} cannot be read: it changes all the time")


def _content_of(path: Path) -> Path:
    """Where the files are: behind `..data`, where there is one, even one that leads nowhere."""
    data = path / "..data"
    return data if os.path.lexists(data) else path


def _text(key: str, folder: int) -> str | None:
    try:
        # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(key, os.O_RDONLY | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError:
        if key in os.listdir(folder):  # a link that leads nowhere is no file that is missing
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
    """Say in the log that the folder cannot be read; the document in force stays."""
    _log.warning("Configuration folder unreadable", extra={"reason": str(error)})


async def watch(
    path: Path,
    *,
    interval_seconds: float = INTERVAL_SECONDS,
    quiet_seconds: float = QUIET_SECONDS,
    on_unreadable: Callable[[UnreadableFolderError], None] = log_unreadable,
    on_contact: Callable[[], None] = lambda: None,
) -> AsyncGenerator[Texts, None]:
    """The texts at first, and again whenever their content has changed.

    A change is noticed at once by inotify, or else by the look every `interval_seconds`: where
    inotify is exhausted, or the change is behind a link. It is believed when it has been over for
    `quiet_seconds`. While the folder cannot be read there is nothing to yield: `on_unreadable` is
    called, once for each reason, and the next texts are yielded even if they are the former ones.
    `on_contact` is called whenever it could be read, every `interval_seconds` at least.

    All waiting and reading is done by one thread. It has ended when the generator has been closed,
    be it by cancellation or by `aclose`, within `quiet_seconds`.
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
            else:
                yield look
    finally:
        stop.set()
        await ended.wait()
        thread.join()


def _looks(
    path: Path, stop: threading.Event, interval_seconds: float, quiet_seconds: float
) -> Iterator[Look]:
    """What the folder shows at each occasion; what is new, once it has come to rest."""
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
    """The look once two in a row are alike; the last one where the folder never comes to rest."""
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
    """When to look: at first, when inotify tells of something, and every `interval_seconds`."""
    while not stop.is_set():
        try:
            yield from _told(path, stop, interval_seconds, quiet_seconds)
        except (OSError, RuntimeError):  # there is no such folder, or no inotify to be had
            yield
            stop.wait(min(interval_seconds, _RETRY_SECONDS))


def _told(
    path: Path, stop: threading.Event, interval_seconds: float, quiet_seconds: float
) -> Iterator[None]:
    """The occasions while the path is the folder that it is now; inotify watches that, no other."""
    interval_ms, quiet_ms = int(interval_seconds * 1000) + 1, int(quiet_seconds * 1000) + 1
    folder = path.stat()
    with RustNotify([str(path)], False, False, 0, False, False) as changes:
        yield  # only now: what happens after this look is heard
        while not stop.is_set() and os.path.samestat(path.stat(), folder):
            changes.watch(_LONGEST_BURST_MS, quiet_ms, interval_ms, stop)
            yield
