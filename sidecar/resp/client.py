"""One client: its requests in order, and their replies in the same order.

Bytes go in by `receive`, replies go out by the link (see `outbox`); nothing here knows a socket. A
command that needs nothing but memory is answered at once, and the replies to one batch of requests
leave in one piece. What has to wait for L3 leaves a slot in the order of replies:

| command | waits for | meanwhile, of this client |
|---|---|---|
| GET of what is not in memory | L3's answer | other GETs are looked up |
| a write that others do not depend on | L3's acknowledgement | all goes on: the value is in force |
| any other that reads what is not in memory | L3's answers | nothing runs |

So a client that sends many requests at once has them answered as if one came after the other.
GETs and SETs are in `plain`. One class of more than 300 lines, since all of it keeps that order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from time import perf_counter
from typing import Any

import structlog

from sidecar.resp.call import Call
from sidecar.resp.channels import ALLOWED, refused
from sidecar.resp.command import Command, Reply
from sidecar.resp.effects import Effects
from sidecar.resp.errors import (
    NO_AUTH,
    OUT_OF_MEMORY,
    TOO_LATE,
    RespError,
    arity,
    discarded,
)
from sidecar.resp.outbox import MOST_OUT_BYTES, Slot
from sidecar.resp.plain import FAILED, OK_STATUS, REJECTED, UNCERTAIN, Plain, failure_of
from sidecar.resp.replies import OK, QUEUED, error
from sidecar.resp.requests import (
    ARGUMENT_BYTES,
    NoMemoryError,
    ProtocolError,
    Requests,
    fault_of,
)
from sidecar.resp.service import Service
from sidecar.resp.session import Link, Session
from sidecar.resp.versions import Versions

AT_ONCE = 128
"""Commands that one client may run in a turn of the loop, if its slice is as long."""
MOST_READS = 32
"""GETs of one client that may wait for L3."""
MOST_SLOTS = 1024
"""Replies of one client that may wait."""
COMMAND_BYTES = 256
"""What a command that waits takes besides its bytes and its arguments."""
KEY_COPIES = 2
"""Of the arguments of a command that waits: as keys, too."""
MOST_UNCOUNTED_BYTES = 4 << 10
"""Of commands that wait. Of a client that does not read, all is counted."""
OF_HTTP = frozenset({b"post", b"host:"})
"""Commands of a web page that makes a browser send them: the connection is closed, as in Redis."""
UNKNOWN = "unknown"

log = structlog.get_logger("sidecar.resp")


class Client(Plain):
    """A client: what it sends comes in here, and its turns."""

    def __init__(self, service: Service, link: Link) -> None:
        self._partial: Requests | None = None
        self._parse_whole = service.requests.parse
        self._waiting = service.waiting
        self.has_arrived = False
        self._is_running = False
        self._is_due = False  # it waits for its turn
        self._queue_bytes = 0
        self._behind: list[bytes] = []  # messages that the reply to the running command goes before
        super().__init__(service, link)

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

    def _release_queue(self) -> None:
        self._admission.budget.give(self._queue_bytes)
        self._queue_bytes = 0

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
        for end in self._ends:
            end()

    def no_more(self) -> None:
        """The client has sent its last byte: it is closed when it has its replies."""
        self._has_ended = True
        self.run()

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
            key = self.prefix + arguments[1]
            self._got(key, self._store.look(key), began_at)
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
        self._call(arguments, began_at)

    def _call(self, arguments: list[bytes], began_at: float) -> None:
        """Run any command, by the table, or queue it in a transaction."""
        called = UNKNOWN
        try:
            command = self.service.find(arguments)
            self.last_command = called = command.name
            if not command.takes(arguments):
                raise arity(command.name)
            if self._is_queued(command):
                self._queue_up(command, arguments)
                return
        except RespError as wrong:
            if self.transaction is not None:
                self.transaction.is_spoilt = True
            self._reply(self._unrun(called, error(wrong.text)))
            self._admission.record(called.partition("|")[0], REJECTED, began_at)
            return
        try:
            self._start(command, arguments, began_at)
        except Exception as wrong:  # noqa: BLE001  (`failure_of` logs what is not expected)
            reply, status = failure_of(wrong, called)
            self._reply(self._failed(called, reply))
            self._admission.record(called.partition("|")[0], status, began_at)

    # ---- commands that fail

    def _failed(self, called: str, failure: bytes) -> bytes:
        """The reply to a command that has failed. An EXEC that leaves a transaction did not run."""
        if self.transaction is not None:
            return self._unrun(called, failure)
        self._over(called)
        return failure

    def _unrun(self, called: str, failure: bytes) -> bytes:
        """The reply to a command that did not run. That of an EXEC says, as in Redis, that what was
        queued is dropped: else the client would queue all that it sends from now on.
        """
        if called == "exec":
            self.end_transaction()
            failure = discarded(failure)
        self._over(called)
        return failure

    def _over(self, called: str) -> None:
        if self.tracking is not None:
            self.service.tracker.ended(self, called)

    # ---- transactions

    def _is_queued(self, command: Command) -> bool:
        if not self.is_authenticated and "no_auth" not in command.flags:
            raise RespError(NO_AUTH)
        if self.subscribed is not None and self.protocol == 2 and command.name not in ALLOWED:
            raise RespError(refused(command.name))
        return self.transaction is not None and "immediate" not in command.flags

    def _queue_up(self, command: Command, arguments: list[bytes]) -> None:
        assert self.transaction is not None  # noqa: S101  (see `_is_queued`)
        if command.run is None:
            raise RespError(
                "ERR Command not allowed inside a transaction: it may have to wait. Send it before "
                "MULTI."
            )
        if not self.transaction.add(command, arguments):
            raise RespError(OUT_OF_MEMORY)
        self._reply(QUEUED)
        self._admission.record(command.name.partition("|")[0], OK_STATUS, perf_counter())

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
        if (
            command.at_once is not None
            and self.tracking is None
            and (at_once := command.at_once(call)) is not None
        ):
            self._reply(at_once)
            self._admission.record(command.name, OK_STATUS, began_at)
            return
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
                self._over(command.name)
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
        except Exception as wrong:  # noqa: BLE001  (`failure_of` logs what is not expected)
            failure, status = failure_of(wrong, command.name)
            self._fill(slot, self._failed(command.name, failure))
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
        if not admission.has_room:
            why = "in_flight"
        elif admission.has_few or not refuses():
            return False
        else:
            why = "late"
        if self._slots:
            self._queue.appendleft(arguments)
            self._waits_for_slots = True
            return True
        admission.stats.shed[why] += 1
        admission.stats.observe(operation.partition("|")[0], FAILED, 0.0)
        self._reply(self._unrun(operation, error(TOO_LATE)))
        return True

    # ---- messages, which are no replies

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

    def rest(self) -> None:
        self._busy += 1
        self.service.deliveries.add((), lambda _: None)
        self.service.deliveries.when_done(self._done)


def _resolve(known: asyncio.Future[None]) -> None:
    if not known.done():
        known.set_result(None)


def _known(reply: Reply, effects: Effects) -> bytes:
    if not effects.are_certain:
        return UNCERTAIN
    return reply if isinstance(reply, bytes) else reply()
