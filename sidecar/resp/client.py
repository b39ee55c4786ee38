"""One client: its requests in order, and their replies in the same order.

Bytes go in by `receive`, replies go out by the link; nothing here knows a socket. A command that
needs nothing but memory is answered at once, and what one batch of requests is answered leaves in
one piece. What has to wait for L3 leaves a slot in the order of replies:

| command | waits for | meanwhile, of this client |
|---|---|---|
| GET of what is not in memory | L3's answer | other GETs are looked up |
| a write that others do not depend on | L3's acknowledgement | all goes on: the value is in force |
| any other that reads what is not in memory | L3's answers | nothing runs |

So a client that sends many requests at once has them answered as if one came after the other.
One class of more than 300 lines, since all of it keeps that order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from time import perf_counter
from typing import Any

import structlog

from sidecar.api.errors import RequestError
from sidecar.model.entry import DEFAULT_CONTENT_TYPE, MAX_KEY_BYTES, Hit
from sidecar.model.errors import OutcomeUnknownError, WriteError
from sidecar.resp.call import LARGE_BYTES, REPLY_COPIES, Call
from sidecar.resp.channels import ALLOWED, refused
from sidecar.resp.command import Command, Reply
from sidecar.resp.errors import (
    OUT_OF_MEMORY,
    TOO_LATE,
    RespError,
    arity,
    no_auth,
    of_request,
    of_write_error,
)
from sidecar.resp.replies import OK, QUEUED, bulk, error, null
from sidecar.resp.requests import (
    ARGUMENT_BYTES,
    NoMemoryError,
    ProtocolError,
    Requests,
    fault_of,
)
from sidecar.resp.service import Service
from sidecar.resp.session import Link, Session
from sidecar.resp.times import NEVER
from sidecar.resp.versions import Effects, Versions
from sidecar.store.store import Ask, OnWritten, Written
from sidecar.tiers.disk import Unanswered

AT_ONCE = 128
"""Commands that one client may run in a turn of the loop, if its slice is as long."""
MOST_OUT_BYTES = 8 << 10
"""Replies leave in pieces of about this size."""
MOST_READS = 32
"""GETs of one client that may wait for L3."""
MOST_SLOTS = 1024
"""Replies of one client that may wait."""
COMMAND_BYTES = 256
"""What a command that waits takes besides its bytes and its arguments."""
KEY_COPIES = 2
"""Of the arguments of a command that waits: as keys, too."""
UNSENT_COPIES = 2
"""Of what is not sent, with what the allocator loses by it."""
MOST_UNCOUNTED_BYTES = 4 << 10
"""Of commands that wait. Of a client that does not read, all is counted."""
MOST_UNREAD_BYTES = 32 << 20
"""Messages that a client may leave unread, as `client-output-buffer-limit pubsub` of Redis."""
PUSH_BYTES = 64
"""What a message takes that waits, besides its bytes."""
OF_HTTP = frozenset({b"post", b"host:"})
"""Commands of a web page that makes a browser send them: the connection is closed, as in Redis."""
GET, SET = (b"get", b"GET"), (b"set", b"SET")
UNKNOWN = "unknown"
NOTHING: list[Any] = []
UNCERTAIN = error(of_write_error(OutcomeUnknownError()))
OK_STATUS, MISS, REJECTED, FAILED = 200, 404, 400, 503

log = structlog.get_logger("sidecar.resp")


class Slot:
    """The place of a reply in the order; None until it is known."""

    __slots__ = ("data", "is_wanted")

    def __init__(self, data: bytes | None = None, *, is_wanted: bool = True) -> None:
        self.data = data
        self.is_wanted = is_wanted
        """Whether the client wants the reply: it may ask for others before that is known."""


class Client(Session):
    """The order of a client's replies."""

    def __init__(self, service: Service, link: Link) -> None:
        self.service = service
        self._store = service.store
        self._admission = service.admission
        self._queue: deque[list[bytes]] = deque()
        self._partial: Requests | None = None
        self._parse_whole = service.requests.parse
        self._waiting = service.waiting
        self.has_arrived = False
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._slots: deque[Slot] = deque()
        self._waits_for_slots = False  # the next one runs when all before it are answered
        self._reads = 0  # GETs that wait for L3
        self._busy = 0  # commands that run, and that nothing may overtake
        self._is_held_back = False  # the client does not read
        self._is_running = False
        self._is_due = False  # `_go_on` will be called
        self._is_closing = False
        self._has_ended = False  # nothing more will come
        self._held_bytes = self._queue_bytes = 0
        self._behind: list[bytes] = []  # messages that the reply to the running command goes before
        needs_token = service.token is not None
        super().__init__(link, service.clock, service.next_id(), needs_token=needs_token)

    def begin(self, *, needs_token: bool) -> None:
        super().begin(needs_token=needs_token)
        if needs_token and self._partial is None:
            # Until it has authenticated, so that its limits hold command by command.
            self._partial = self._requests()

    @property
    def most_value_bytes(self) -> int:  # type: ignore[override]
        return self._store.config.max_value_bytes

    # ---- bytes in

    @property
    def is_in_pieces(self) -> bool:
        """Whether what it has sent last was no whole request."""
        return self._partial is not None

    @property
    def is_free(self) -> bool:
        """Whether a GET, or a SET, can be answered as soon as it comes."""
        # `_is_waiting` inlined: most requests ask this.
        return self.is_plain and not (
            self._queue or self._slots or self._busy or self._is_held_back or self._is_closing
        )

    def receive(self, data: bytes) -> None:
        """Take what the client has sent."""
        self.has_received = True
        if (
            self._partial is None
            and self._waiting.has_time()
            and (commands := self._parse_whole(data)) is not None
        ):
            self.take(commands, len(data))
        elif self._take_piece(data):
            self._run_queue(len(data))

    def put_off(self, data: bytes) -> None:
        """Take what the client has sent, for later."""
        if self._take_piece(data):
            self._soon()

    def take(self, commands: list[list[bytes]], size: int) -> None:
        """Take whole commands that the client has sent, in so many bytes."""
        if self.is_free:
            if len(commands) == 1:
                if self._answer_one(commands[0]):
                    return
            elif not (commands := self._answer_at_once(commands)):
                return
        if self._is_closing:
            return
        self._queue.extend(commands)
        self._run_queue(size)

    def _run_queue(self, size: int) -> None:
        self.run()
        if self._queue:
            self._hold_queue(size)

    def _hold_queue(self, size: int) -> None:
        """Take memory for commands that wait, whose bytes are at most so many."""
        size += sum(COMMAND_BYTES + ARGUMENT_BYTES * len(each) for each in self._queue)
        size -= self._queue_bytes
        if size <= 0 or (not self._queue_bytes and size <= MOST_UNCOUNTED_BYTES):
            return
        if self._admission.admits_bytes(size):
            self._queue_bytes += size
        else:
            self._refuse_input(OUT_OF_MEMORY)

    def _take_piece(self, data: bytes) -> bool:
        """Take what is not whole commands. False if it can't be taken."""
        if self._is_closing:
            return False
        if self._partial is None:
            self._partial = self._requests()
        try:
            self._partial.feed(data)
        except NoMemoryError:
            self._refuse_input(OUT_OF_MEMORY)
            return False
        return True

    def _requests(self) -> Requests:
        budget = self._admission.budget
        return Requests(
            lambda: self.most_value_bytes,
            budget.take,
            budget.give,
            lambda: not self.is_authenticated,
        )

    def _answer_one(self, command: list[bytes]) -> bool:
        """Answer it if it is a GET that memory can answer, or a SET that need not wait for L3."""
        began_at = perf_counter()
        if len(command) == 2 and command[0] in GET and type(command[1]) is bytes:
            key = self.prefix + command[1]
            hit = self._store.look(key)
            if type(hit) is Hit and (size := len(value := hit.value)) <= LARGE_BYTES:
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
        if not admission.has_few and (store.refuses_write() or not admission.has_room):
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
            store.begin_put(self.prefix + key, value, DEFAULT_CONTENT_TYPE, NEVER, on_written)
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

    @property
    def _is_waiting(self) -> bool:
        return bool(self._slots or self._busy or self._is_held_back or self._is_closing)

    def lost(self) -> None:
        """The client is gone."""
        self._is_closing = True
        self._queue.clear()
        self._slots.clear()
        self._out.clear()
        if self._partial is not None:
            self._partial.close()
        self._partial = None
        self._release()
        self._release_queue()
        self.end_transaction()
        self.service.forget(self)

    def no_more(self) -> None:
        """The client has sent its last byte: it is closed when it has its replies."""
        self._has_ended = True
        self.run()

    def hold_back(self, unsent_bytes: int) -> None:
        """The client does not read what it was sent, of which so many bytes are left: nothing runs
        for it until it does.
        """
        self._is_held_back = True
        size = UNSENT_COPIES * unsent_bytes
        if size > self._held_bytes and not self._hold(size - self._held_bytes):
            self._is_closing = True
            self.link.abort()

    def go_on(self) -> None:
        """It has read it."""
        self._is_held_back = False
        self._release()
        self.run()

    @property
    def has_half_a_request(self) -> bool:
        partial = self._partial
        return partial is not None and not partial.is_empty and not self._queue

    @property
    def is_at_work(self) -> bool:
        return bool(self._slots or self._queue or self._busy)

    # ---- commands

    def run(self) -> None:
        """Run what has come, now or in turn."""
        if self._is_running:
            return
        if self._waiting.has_time():
            self._run_slice()
        else:
            self._soon()
            self.link.read_on(False)

    def take_turn(self) -> None:
        self._is_due = False
        self._flush_slots()
        self._run_slice()

    def _run_slice(self) -> None:
        """Run what has come, until something has to wait, or the slice is over."""
        self._is_running = True
        until = perf_counter() + self._waiting.slice_seconds
        try:
            for _ in range(AT_ONCE):
                if not self._may_run():
                    break
                if self._queue or self._parse():
                    if self._reads and not self._is_get(self._queue[0]):
                        break
                    self._run_next()
                elif self._partial is None or not self._partial.is_behind:
                    break
                if perf_counter() > until:
                    self._soon()
                    break
            else:
                self._soon()
        finally:
            self._is_running = False
        if self._queue_bytes and not self._queue:
            self._release_queue()
        self._flush()
        if self._has_ended and not (self.is_at_work or self._is_due or self._is_held_back):
            self.close()
            return
        wants_more = not self._queue and self._may_run() and not self._is_due
        self.link.read_on(wants_more)

    def _run_next(self) -> None:
        self._begin(self._queue.popleft())
        if self._behind:
            self._push_behind()
        if self.ends:
            self.close()
        if self._out_bytes > MOST_OUT_BYTES:
            self._flush()

    def _may_run(self) -> bool:
        return not (
            self._busy
            or self._waits_for_slots
            or self._is_held_back
            or self._is_closing
            or self._reads >= MOST_READS
            or len(self._slots) >= MOST_SLOTS
        )

    def _is_get(self, arguments: list[bytes]) -> bool:
        return self.is_plain and len(arguments) == 2 and arguments[0].lower() == b"get"

    def _soon(self) -> None:
        """Go on in turn."""
        if not self._is_due:
            self._is_due = True
            partial = self._partial
            has_little = not self._queue and (partial is None or partial.has_little)
            self._waiting.add(self, has_little=has_little)

    def _parse(self) -> bool:
        """Take the next command of what came in pieces; False if there is none."""
        if self._partial is None:
            return False
        try:
            command = self._partial.next()
        except ProtocolError as wrong:
            self._refuse_input(f"ERR Protocol error: {wrong}")
            return False
        except NoMemoryError:
            self._refuse_input(OUT_OF_MEMORY)
            return False
        if command is not None:
            self._queue.append(command)
        elif self._partial.is_empty and self.is_authenticated:
            self._partial.close()
            self._partial = None
        return command is not None

    def _refuse_input(self, text: str) -> None:
        """What was sent can't be read on."""
        self._admission.stats.observe(UNKNOWN, REJECTED, 0.0)
        self._reply(error(text))
        self.close()

    def close(self) -> None:
        """Send what is due, and close."""
        self._is_closing = True
        self._queue.clear()
        if self._partial is not None:
            self._partial.close()
            self._partial = None
        self._flush()
        if not self._slots:
            self.link.close()

    def kill(self, *, by: Session) -> None:
        if by is self:
            self.ends = True
        else:
            self.link.close()

    def _begin(self, arguments: list[bytes]) -> None:
        """Run a command, or leave a slot for its reply."""
        began_at = perf_counter()
        if fault := fault_of(arguments):
            self._refuse_input(f"ERR Protocol error: {fault}")
            return
        name = arguments[0].lower()
        if self.is_plain and len(arguments) == 2 and name == b"get":
            self._get(self.prefix + arguments[1], began_at)
            return
        if self.is_plain and name == b"set":
            if self.put_at_once(arguments):
                self._reply(OK)
                self._admission.record("set", OK_STATUS, began_at)
                return
            if self.put_durably(arguments, began_at):
                return
        if name in OF_HTTP:
            log.warning("HTTP was sent to the port of the Redis protocol", client=self.id)
            self._is_closing = True
            self._out.clear()
            self.link.close()
            return
        command, operation = None, UNKNOWN
        try:
            command = self.service.find(arguments)
            operation = command.name.partition("|")[0]
            self.last_command = command.name
            if not command.takes(arguments):
                raise arity(command.name)
            if self._is_queued(command):
                self._queue_up(command, arguments)
                return
            self._start(command, arguments, began_at)
        except Exception as wrong:  # noqa: BLE001  (`_failure` logs what is not expected)
            if isinstance(wrong, RespError):
                self._spoil(command)
            reply, status = _failure(wrong, operation)
            self._reply(reply)
            self._admission.record(operation, status, began_at)

    # ---- transactions

    def _is_queued(self, command: Command) -> bool:
        if not self.is_authenticated and "no_auth" not in command.flags:
            raise no_auth(command.name)
        if self.subscribed is not None and self.protocol == 2 and command.name not in ALLOWED:
            raise RespError(refused(command.name))
        return self.transaction is not None and "immediate" not in command.flags

    def _queue_up(self, command: Command, arguments: list[bytes]) -> None:
        assert self.transaction is not None  # noqa: S101  (see `_is_queued`)
        if command.run is None:
            raise RespError("ERR Command not allowed inside a transaction")
        if not self.transaction.add(command, arguments):
            raise RespError(OUT_OF_MEMORY)
        self._reply(QUEUED)
        self._admission.record(command.name.partition("|")[0], OK_STATUS, perf_counter())

    def _spoil(self, command: Command | None) -> None:
        """A command that can't be queued spoils the transaction."""
        if self.transaction is not None and (command is None or "immediate" not in command.flags):
            self.transaction.is_spoilt = True

    # ---- a GET, which most commands are

    def _get(self, key: bytes, began_at: float) -> None:
        self._got(key, self._store.look(key), began_at)

    def _got(self, key: bytes, hit: Hit | Ask | None, began_at: float) -> None:
        """Answer with what a look in memory has found."""
        if isinstance(hit, Ask):
            self._ask(key, hit, began_at)
        elif hit is None:
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
        if hit is None:
            self._fill(slot, null(self.protocol))
        else:
            self._fill(slot, self._bulk(hit.value))
        self._admission.end("get", MISS if hit is None else OK_STATUS, began_at)

    async def _get_slowly(self, key: bytes, slot: Slot, began_at: float) -> None:
        status: int | None = None
        try:
            hit = await self._store.get(key, self.reserve)
            if hit is None:
                self._fill(slot, null(self.protocol))
            else:
                self._fill(slot, self._bulk(hit.value))
            status = MISS if hit is None else OK_STATUS
        except Exception as wrong:  # noqa: BLE001  (`_failure` logs what is not expected)
            failure, status = _failure(wrong, "get")
            self._fill(slot, failure)
        finally:
            self._admission.end("get", status, began_at)
            self._done()

    # ---- any other command

    def _start(self, command: Command, arguments: list[bytes], began_at: float) -> None:
        effects = Effects()
        versions = Versions(self._store, self.clock, effects)
        call = Call(command, arguments, self, versions, self.service)
        keys: list[bytes] = []
        if command.keys.first or command.looked_up is not None:
            keys = call.full_keys() if command.looked_up is None else command.looked_up(call)
        if command.writes and self._refuses(command.name, arguments, self._store.refuses_write):
            return
        reads = command.reads or (command.depends is not None and command.depends(arguments))
        must_wait = command.later is not None or (
            (command.writes and not self._store.accepts) or (reads and not versions.at_once(keys))
        )
        if must_wait:
            if reads and self._refuses(command.name, arguments, self._store.refuses_read):
                return
            size = sum(map(len, arguments)) + ARGUMENT_BYTES * len(arguments)
            if size > MOST_UNCOUNTED_BYTES:
                self.hold(KEY_COPIES * size)
            began_at = self._admission.begin()
            slot = self._slot()
            self._work(self._run_later(call, keys if reads else [], slot, began_at))
            return
        reply = self._perform(call)
        operation = command.name.partition("|")[0]
        if not effects.outstanding:
            self._reply(_known(reply, effects))
            self._admission.record(operation, OK_STATUS, began_at)
            return
        self._admission.begin()
        effects.on_known = partial(self._known, reply, effects, self._slot(), operation, began_at)

    def _perform(self, call: Call) -> Reply:
        """Run a command whose keys have been read."""
        if self.tracking is not None:
            return self.service.tracker.run(call)
        assert call.command.run is not None  # noqa: S101  (a command has one or the other)
        return call.command.run(call)

    def _known(
        self, reply: Reply, effects: Effects, slot: Slot, operation: str, began_at: float
    ) -> None:
        """All that the command has written is known."""
        self._fill(slot, _known(reply, effects))
        self._admission.end(operation, OK_STATUS if effects.are_certain else FAILED, began_at)

    async def _run_later(self, call: Call, keys: list[bytes], slot: Slot, began_at: float) -> None:
        command, effects = call.command, call.versions.effects
        status: int | None = None
        is_done = False
        try:
            if command.writes and not self._store.accepts:
                await self._store.room()
            if command.later is not None:
                reply: Reply = await command.later(call)
            else:
                await call.versions.look_up(keys, self.reserve)
                reply = self._perform(call)
            if effects.outstanding:
                known: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                effects.on_known = partial(_resolve, known)
                self._done()  # what it has written is in force
                is_done = True
                await known
            self._fill(slot, _known(reply, effects))
            status = OK_STATUS if effects.are_certain else FAILED
        except Exception as wrong:  # noqa: BLE001  (`_failure` logs what is not expected)
            failure, status = _failure(wrong, command.name)
            self._fill(slot, failure)
        finally:
            self._admission.end(command.name.partition("|")[0], status, began_at)
            if not is_done:
                self._done()

    def _work(self, work: Coroutine[Any, Any, None]) -> None:
        self._busy += 1
        self.link.spawn(work)

    def _done(self) -> None:
        """What the others had to wait for is done."""
        self._busy -= 1
        self._soon()

    def _refuses(self, operation: str, arguments: list[bytes], refuses: Callable[[], bool]) -> bool:
        """Whether it is refused, since it would not be answered in time. One of a client that has
        sent many at once waits for its turn instead.
        """
        admission = self._admission
        if admission.has_few or not (refuses() or not admission.has_room):
            return False
        if self._slots:
            self._queue.appendleft(arguments)
            self._waits_for_slots = True
            return True
        admission.stats.shed["late"] += 1
        admission.stats.observe(operation.partition("|")[0], FAILED, 0.0)
        self._reply(error(TOO_LATE))
        return True

    # ---- replies out

    def _reply(self, reply: bytes) -> None:
        """The reply to the latest command."""
        if self._is_wanted():
            self._out.append(reply)
            self._out_bytes += len(reply)

    def _is_wanted(self) -> bool:
        """Whether the reply to the latest command is. Asked once for each."""
        if self.skips:
            self.skips -= 1
            if not self.skips:
                self.note_state()
            return False
        return self.replies

    def _bulk(self, value: bytes) -> bytes:
        """The reply that is a value, if there is memory for it."""
        if len(value) > LARGE_BYTES and not self._hold(REPLY_COPIES * len(value)):
            return error(OUT_OF_MEMORY)
        return bulk(value)

    def push(self, message: bytes) -> None:
        if self._is_running:
            self._behind.append(message)
        elif not self._is_closing:
            self._put_push(message)
            self._flush()

    def _push_behind(self) -> None:
        behind, self._behind = self._behind, []
        for message in behind:
            self._put_push(message)

    def _put_push(self, message: bytes) -> None:
        size = len(message)
        if self._is_held_back or self._slots or size > LARGE_BYTES:
            size += PUSH_BYTES
            if not self._may_leave_unread(size) or not self._hold(size):
                log.warning("A client that does not read its messages was closed", client=self.id)
                self._is_closing = True
                self._out.clear()
                self._out_bytes = 0
                self.link.abort()
                return
        self._out.append(message)
        self._out_bytes += size

    def _may_leave_unread(self, size: int) -> bool:
        """The last quarter of the memory is for requests, so that who does not read can't keep
        others from it.
        """
        budget = self._admission.budget
        is_within = self._held_bytes + size <= min(MOST_UNREAD_BYTES, budget.most_bytes // 4)
        return is_within and budget.used_bytes + size <= budget.capacity_bytes // 4 * 3

    def rest(self) -> None:
        self._busy += 1
        self.service.deliveries.add((), lambda _: None)
        self.service.deliveries.when_done(self._done)

    def _slot(self) -> Slot:
        """A place for a reply that is not known yet."""
        if self._out:
            self._flush()
        slot = Slot(is_wanted=self._is_wanted())
        self._slots.append(slot)
        return slot

    def _fill(self, slot: Slot, data: bytes) -> None:
        slot.data = data if slot.is_wanted else b""
        slots = self._slots
        if not slots or slots[0] is not slot:
            return
        if len(slots) == 1 and not (
            self._queue or self._busy or self._is_held_back or self._is_closing or self._has_ended
        ):
            self._flush_slots()  # as a rule: there is nothing that could go on
        else:
            self._soon()

    def _flush(self) -> None:
        """Send the replies that are known, in order."""
        if not self._out:
            return
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        self._out_bytes = 0
        if self._slots:
            self._slots.append(Slot(data))
        else:
            self.link.send(data)
            if not self._is_held_back:
                self._release()

    def _flush_slots(self) -> None:
        slots = self._slots
        ready: list[bytes] = []
        while slots and (data := slots[0].data) is not None:
            slots.popleft()
            ready.append(data)
        if not slots:
            self._waits_for_slots = False
        if ready:
            self.link.send(ready[0] if len(ready) == 1 else b"".join(ready))
            if not self._is_held_back and not slots:
                self._release()
        if self._is_closing and not slots:
            self.link.close()

    # ---- memory

    def _hold(self, size: int) -> bool:
        if not self._admission.admits_bytes(size):
            return False
        self._held_bytes += size
        return True

    def hold(self, size: int) -> None:
        if not self._hold(size):
            raise RespError(OUT_OF_MEMORY)

    async def reserve(self, size: int) -> None:
        """Take memory until what has been answered is sent. Raises RespError."""
        if not await self._admission.wait_for_bytes(size):
            raise RespError(OUT_OF_MEMORY)
        self._held_bytes += size

    def _release_queue(self) -> None:
        self._admission.budget.give(self._queue_bytes)
        self._queue_bytes = 0

    def _release(self) -> None:
        if self._held_bytes:
            self._admission.budget.give(self._held_bytes)
            self._held_bytes = 0


def _unheard(_: object) -> None:
    """Nobody waits for L3."""


def _resolve(known: asyncio.Future[None]) -> None:
    if not known.done():
        known.set_result(None)


def _failure(wrong: Exception, command: str) -> tuple[bytes, int]:
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


def _known(reply: Reply, effects: Effects) -> bytes:
    if not effects.are_certain:
        return UNCERTAIN
    return reply if isinstance(reply, bytes) else reply()
