"""GETs, and SETs of a key and a value: nearly all commands that a cache is sent.

They are answered without the machinery of the others, from memory at once. One that has to wait for
L3 leaves a slot.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Coroutine
from functools import partial
from time import perf_counter
from typing import Any

import structlog

from sidecar.api.errors import RequestError
from sidecar.model.entry import DEFAULT_CONTENT_TYPE, MAX_KEY_BYTES, Hit
from sidecar.model.errors import OutcomeUnknownError, WriteError
from sidecar.resp.call import LARGE_BYTES
from sidecar.resp.errors import RespError, of_request, of_write_error
from sidecar.resp.outbox import MOST_OUT_BYTES, Outbox, Slot
from sidecar.resp.replies import OK, error, null
from sidecar.resp.service import Service
from sidecar.resp.session import Link
from sidecar.resp.times import NEVER
from sidecar.store.store import Ask, OnWritten, Written
from sidecar.tiers.disk import Unanswered

AT_ONCE = 128
"""Keys that are looked up together."""
GET, SET = (b"get", b"GET"), (b"set", b"SET")
NOTHING: list[Any] = []
UNCERTAIN = error(of_write_error(OutcomeUnknownError()))
OK_STATUS, MISS, REJECTED, FAILED = 200, 404, 400, 503

log = structlog.get_logger("sidecar.resp")


class Plain(Outbox):
    """A client, as far as it sends such commands."""

    def __init__(self, service: Service, link: Link) -> None:
        self._store = service.store
        self._reads = 0  # GETs that wait for L3
        super().__init__(service, link)

    @abstractmethod
    def _refuses(self, operation: str, arguments: list[bytes], refuses: Callable[[], bool]) -> bool:
        """Whether it is refused, since it would not be answered in time."""

    @abstractmethod
    def _work(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it, which calls `_done` at its end; until then, nothing else runs."""

    @abstractmethod
    def _done(self) -> None:
        """What the others had to wait for is done."""

    @property
    def is_free(self) -> bool:
        """Whether a GET, or a SET, can be answered as soon as it comes."""
        # `_is_waiting` inlined: most requests ask this.
        return self.is_plain and not (
            self._queue or self._slots or self._busy or self._is_held_back or self._is_closing
        )

    def _answer_one(self, command: list[bytes]) -> bool:
        """Answer it if it is a GET that memory can answer, or a SET that need not wait for L3."""
        began_at = perf_counter()
        if len(command) == 2 and command[0] in GET and type(command[1]) is bytes:
            key = self.prefix + command[1]
            hit = self._store.look(key)
            if (
                type(hit) is Hit
                and (size := len(value := hit.value)) <= LARGE_BYTES
                and not hit.stale
            ):
                self._admission.record("get", OK_STATUS, began_at)
                self.link.send(b"$%d\r\n%b\r\n" % (size, value))
            else:
                self._got(key, hit, began_at)
                self._flush()
            return True
        if command[0] not in SET:
            return False
        if self.put_at_once(command):
            self._admission.record("set", OK_STATUS, began_at)
            self.link.send(OK)
            return True
        return self.put_durably(command, began_at)

    def _answer_at_once(self, commands: list[list[bytes]]) -> list[list[bytes]]:
        """Answer those that come first if they are hits in memory, or writes that need not wait for
        L3, as most commands are; returns the others.
        """
        began_at = perf_counter()
        out: list[bytes] = []
        gets = sets = size = 0
        count = len(commands)
        while (done := gets + sets) < count and size < MOST_OUT_BYTES:
            if commands[done][0] in SET:
                if not self.put_at_once(commands[done]):
                    break
                out.append(OK)
                sets += 1
            elif values := self._ready_values(commands, done, MOST_OUT_BYTES - size):
                out += [b"$%d\r\n%b\r\n" % (len(value), value) for value in values]
                gets += len(values)
                size += sum(map(len, values))
            else:
                break
        if not out:
            return commands
        if gets:
            self._admission.record_many("get", OK_STATUS, gets, began_at)
        if sets:
            self._admission.record_many("set", OK_STATUS, sets, began_at)
        self.link.send(out[0] if done == 1 else b"".join(out))
        return commands[done:] if done < count else NOTHING

    def _ready_values(
        self, commands: list[list[bytes]], start: int, most_bytes: int
    ) -> list[bytes]:
        """The values that GETs have, from `start` on, which are hits in L1."""
        prefix, keys = self.prefix, []
        for command in commands[start : start + AT_ONCE] if start else commands[:AT_ONCE]:
            if len(command) != 2 or command[0] not in GET or type(command[1]) is not bytes:
                break
            keys.append(prefix + command[1])
        return self._store.ready_values(keys, most_bytes) if keys else []

    def put_at_once(self, command: list[bytes]) -> bool:
        """Run a SET if it is answered before L3 has the value; else nothing was done."""
        return self._store.config.durability == "memory" and self._put(command, _unheard)

    def put_durably(self, command: list[bytes], began_at: float) -> bool:
        """Run a SET that is answered when L3 has the value; if it can't be, nothing was done."""
        admission, store = self._admission, self._store
        if not admission.has_room or (not admission.has_few and store.refuses_write()):
            return False
        slot = self._slot()
        admission.begin()
        if self._put(command, partial(self._written, slot, began_at)):
            return True
        admission.end("set", None, began_at)
        self._slots.pop()
        return False

    def _put(self, command: list[bytes], on_written: OnWritten) -> bool:
        if len(command) != 3:
            return False
        store = self._store
        _, key, value = command
        if (
            not (type(key) is type(value) is bytes)
            or not 0 < len(key) <= MAX_KEY_BYTES
            or len(value) > store.config.max_value_bytes
            or not store.accepts
        ):
            return False
        try:
            life = store.default_life(self.prefix, NEVER) if store.namespaces.any else NEVER
            store.begin_put(self.prefix + key, value, DEFAULT_CONTENT_TYPE, life, on_written)
        except WriteError:
            return False  # nothing was changed; it is tried again, to be refused
        return True

    def _written(self, slot: Slot, began_at: float, written: Written | Unanswered) -> None:
        if isinstance(written, Written):
            self._fill(slot, OK)
            self._admission.end("set", OK_STATUS, began_at)
        else:
            self._fill(slot, UNCERTAIN)
            self._admission.end("set", FAILED, began_at)

    def _got(self, key: bytes, hit: Hit | Ask | None, began_at: float) -> None:
        """Answer with what a look in memory has found."""
        if isinstance(hit, Ask):
            self._ask(key, hit, began_at)
        elif hit is None or hit.stale:  # clients of Redis can't tell that a value is stale
            self._reply(self._missing(key))
            self._admission.record("get", MISS, began_at)
        else:
            self._reply(self._bulk(hit.value))
            self._admission.record("get", OK_STATUS, began_at)

    def _missing(self, key: bytes) -> bytes:
        size = len(key) - len(self.prefix)
        if 1 <= size <= MAX_KEY_BYTES:
            return null(self.protocol)
        return error(f"ERR A key is 1 to {MAX_KEY_BYTES:,} bytes; this one has {size:,}.")

    def _ask(self, key: bytes, ask: Ask, began_at: float) -> None:
        """Ask L3, or have the value unpacked."""
        if not 1 <= len(key) - len(self.prefix) <= MAX_KEY_BYTES:
            self._reply(self._missing(key))
            self._admission.record("get", REJECTED, began_at)
            return
        arguments = [b"get", key.removeprefix(self.prefix)]
        if self._refuses("get", arguments, self._store.refuses_read):
            return
        slot = self._slot()
        began_at = self._admission.begin()
        if ask.found is not None:
            self._work(self._get_slowly(key, slot, began_at))
            return
        self._reads += 1
        self._store.fetch(key, partial(self._fetched, key, slot, began_at))

    def _fetched(self, key: bytes, slot: Slot, began_at: float, hit: Hit | Ask | None) -> None:
        self._reads -= 1
        if isinstance(hit, Ask):
            self._work(self._get_slowly(key, slot, began_at))
            return
        self._admission.end("get", self._fill_with(slot, hit), began_at)

    def _fill_with(self, slot: Slot, hit: Hit | None) -> int:
        """Answer with what was found; returns the status."""
        if hit is None or hit.stale:
            self._fill(slot, null(self.protocol))
            return MISS
        self._fill(slot, self._bulk(hit.value))
        return OK_STATUS

    async def _get_slowly(self, key: bytes, slot: Slot, began_at: float) -> None:
        status: int | None = None
        try:
            status = self._fill_with(slot, await self._store.get(key, self.reserve))
        except Exception as wrong:  # noqa: BLE001  (`failure_of` logs what is not expected)
            failure, status = failure_of(wrong, "get")
            self._fill(slot, failure)
        finally:
            self._admission.end("get", status, began_at)
            self._done()


def _unheard(_: object) -> None:
    """Nobody waits for L3."""


def failure_of(wrong: Exception, command: str) -> tuple[bytes, int]:
    """The reply to a command that has raised this, and its status."""
    match wrong:
        case RespError():
            return error(wrong.text), REJECTED
        case RequestError():
            return error(of_request(wrong).text), REJECTED
        case WriteError():
            return error(of_write_error(wrong)), FAILED
    log.error("A command failed", command=command, exc_info=wrong)
    return error("ERR internal error of cache-sidecar; see its log"), FAILED
