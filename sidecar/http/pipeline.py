"""The order of a connection's answers.

Most requests are answered inside `data_received`, by a function `take` that knows the API (see
`direct`), since aiohttp's task of the connection costs more than a lookup. What it does not take is
left to the task. Answers are sent in the order of the requests, so only one of them is at work:

| state | at work        | a request that arrives              | the state ends             |
|-------|----------------|-------------------------------------|----------------------------|
| idle  | nobody         | taken: answered at once, or `asked` | with a request             |
|       |                | not taken: queued, `task`           |                            |
| asked | a callback     | queued                              | with the answer; the queue |
|       |                |                                     | is then handled as in idle |
| task  | aiohttp's task | queued                              | when the queue is empty    |

In `idle` and `asked` the task waits for `_waiter`, and in `asked` nobody wakes it.

A request with known header fields is not parsed (see `repeated`) if it arrives in `idle`, and while
the parser has nothing of another one. That is known for certain after a request that is all of its
piece, or that ends with its head. A client that sends head and body apart, and puts only, is always
parsed, as is one that asked for an upgrade.

This rests on private parts of aiohttp; `tests/http/test_private_parts.py` names them. The file has
more than 300 lines, since every transition of the table is in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestPayloadError, _ErrInfo

from sidecar.http.messages import LARGE_BYTES, Reply
from sidecar.http.reading import NOTHING, SLICE_BYTES, Reading
from sidecar.http.repeated import Repeated, is_all, is_end
from sidecar.http.unhandled import HEAD_COPIES, SMALL_BYTES, Unhandled, unread_bytes
from sidecar.serving.turns import Turns

HALF_CLOSED_SECONDS = 1.0
"""How often a half-closed connection is looked at; mostly it ends with its last answer."""
RECOUNT_SECONDS = 0.1
"""How often it is looked at whether queued requests have been handled."""
MOST_NEWS = 16
"""A client that sends other header fields with each of so many requests in a row, such as the
identifiers of traces, will go on so: they are no longer looked for, nor kept."""

log = structlog.get_logger("sidecar.http")

Take = Callable[["Pipeline", Any, StreamReader | bytes], bool]
"""Given a parsed request and its body, which is whole if it is bytes: whether it answers the
request, now or later. It then calls `send` or `answer`, after `ask` if that is later, or `leave`;
otherwise it has done nothing."""


def leave_all(_connection: Pipeline, _message: Any, _payload: StreamReader | bytes) -> bool:
    """Take no request."""
    return False


class Pipeline(Reading):
    """The requests of one connection, and their answers in order."""

    __slots__ = (
        "_asked",
        "_between_requests",
        "_draining",
        "_early",
        "_half_closed",
        "_in_turn",
        "_is_recounting",
        "_is_whole",
        "_news",
        "_on_answer",
        "_repeated",
        "_seen_in",
        "_take",
        "_turns",
        "_unhandled",
        "_unread",
        "body",
        "reads_body",
        "uncounted_bytes",
    )

    def __init__(
        self, manager: Any, *, take: Take, repeated: Repeated, turns: Turns, **options: Any
    ) -> None:
        """The connections of a server share `repeated` and `turns`; `options` are aiohttp's."""
        super().__init__(manager, **options)
        # The parser stops at this many that wait, and keeps the rest of its data until reading is
        # resumed. It may count one that was handled while its body arrived; so reading has to be
        # paused at one less, or nothing would resume it.
        self._max_msg_queue_size -= 1
        self._take = take
        self._repeated = repeated
        self._turns = turns
        self._seen_in = -1  # the last turn in which it was read
        self._between_requests = True  # the parser has nothing of the next one
        self._is_whole = False  # what was parsed last is one request
        self._unhandled = Unhandled()
        self._is_recounting = False
        self._news = 0  # requests in a row whose header fields were not known
        self._asked = False  # a request that was taken is not answered yet
        self._in_turn = False  # requests are being taken: an answer need not look for the next
        self._on_answer: asyncio.Future[None] | None = None  # where a stop waits for it
        self._draining: asyncio.Task[None] | None = None
        self._half_closed = False
        self._early: list[Any] = []  # requests that came just before the task waits for them
        self.body: StreamReader = EMPTY_PAYLOAD  # of the request that the task handles
        self.reads_body = False  # its reader takes memory for all of it
        self.uncounted_bytes = LARGE_BYTES
        """An answer with a larger body has memory from the budget before it is sent."""
        self._unread = 0  # of a body without a reader, and behind an upgrade that is not declined

    def data_received(self, data: bytes) -> None:
        if self._close or self._parser is None:
            return  # no more is handled
        queue, waiter = self._messages, self._waiter
        is_idle = waiter is not None and not waiter.done()
        is_free = is_idle and not (queue or self._asked or self._in_turn or self._paused)
        if is_free and self._between_requests and not self._buffer_paused:
            known = self._repeated.request(data)
            if known is not None:
                if self._taken(*known):
                    self._news = 0
                    self._request_count += 1
                    self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
                    return
                self._seen_in = -1  # it is taken again below
        if len(data) > LARGE_BYTES and not self.may_begin(len(data)):
            return  # it is refused
        if len(data) > SLICE_BYTES and self._has_many_chunks(data):
            self._slice(data)
        else:
            self._handle(data, is_idle=is_idle, is_free=is_free)

    def _handle_slice(self, data: bytes) -> None:
        is_idle = self._is_idle
        is_busy = self._messages or self._asked or self._in_turn or self._paused
        self._handle(data, is_idle=is_idle, is_free=is_idle and not is_busy)

    def _handle(self, data: bytes, *, is_idle: bool, is_free: bool) -> None:
        """Parse what was read, and handle the requests in it. `is_idle` is whether the task waits
        for one, and `is_free` whether nothing is before them.
        """
        if self._upgraded:
            super().data_received(data)  # keeps it until the upgrade is declined
            self._hold_unhandled()
            self._recount()
            return
        self._recount()
        body = self._latest_body
        has_come = body.total_bytes
        messages = self._parse(data)
        is_next = is_free and len(messages) == 1
        self._count_crumbs(messages, data)
        self._count(messages, data, body.is_eof(), body.total_bytes - has_come, is_next=is_next)
        if self._hold_unhandled():  # else it is refused
            self._receive(messages, data, is_idle=is_idle, is_next=is_next)
        self._recount()

    def _receive(
        self, messages: Sequence[Any], data: bytes, *, is_idle: bool, is_next: bool
    ) -> None:
        """Handle what was parsed, or queue it. `is_next` is whether it is one request, and nothing
        is before it.
        """
        if not is_idle:
            self._keep(messages)
            return
        if messages:
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if is_next:
            self._take_parsed(data, *messages[0])
        else:
            self._queue(messages)
        if self._messages and not (self._asked or self._in_turn):
            self._go_on()

    def _take_parsed(self, data: bytes, message: Any, payload: StreamReader) -> None:
        """Take a request that was parsed from `data`, or leave it to the task."""
        self._in_turn = True  # reading a body parses what is behind it
        if self._taken(message, payload):
            if self._parser is not None:
                self._parser.message_consumed()
            if self._is_whole and self._repeated.add(data, message):
                self._news += 1
        else:
            self._messages.appendleft((message, payload))
            self._wake()
        self._in_turn = False

    def _parse(self, data: bytes) -> Sequence[Any]:
        """The requests in `data`, with their bodies."""
        parser: Any = self._parser
        messages: Sequence[Any]
        try:
            messages, self._upgraded, self._message_tail = parser.feed_data(data)
        except HttpProcessingError as error:
            messages = [self._refusal(error)]
        self._request_count += len(messages)
        if messages:
            self._is_chunked = getattr(messages[-1][0], "chunked", False)
        if self._upgraded:
            self._news = MOST_NEWS  # aiohttp gives the parser what follows, without telling
        if len(messages) == 1 and self._parser is not None and self._news < MOST_NEWS:
            self._is_whole = self._between_requests and is_all(data, messages[0][0])
            self._between_requests = self._is_whole or is_end(data, *messages[0])
        else:
            self._is_whole = self._between_requests = False
        return messages

    def _count(
        self, messages: Sequence[Any], data: bytes, is_end: bool, of_body: int, *, is_next: bool
    ) -> None:
        """Count what came in `data`, of which `of_body` bytes belong to the body that was arriving;
        `is_end` is whether that has its end now.
        """
        unhandled, number = self._unhandled, self._request_count
        if self._parser is None:
            unhandled.end_parsing()  # of this piece, only the error is left
            return
        before = len(self._messages) + len(self._early)
        if of_body and before:
            unhandled.body(number - len(messages), of_body)
        if messages:
            is_full = before + len(messages) >= self._max_msg_queue_size - 1
            unhandled.requests(
                number,
                messages,
                data,
                of_body,
                is_next=is_next,
                is_whole=self._is_whole,
                may_be_kept=is_full or not data,
            )
        else:
            unhandled.goes_on(data, of_body, is_end=is_end)

    def _hold_unhandled(self) -> bool:
        """Hold memory for it; False if there is none, so that it is refused."""
        unread = HEAD_COPIES * len(self._message_tail) + len(self._sliced.obj)
        if not self.reads_body:
            unread += unread_bytes(self.body)
        self._unread = unread if unread > SMALL_BYTES else 0
        is_held = self.hold_waiting(self._unhandled.memory + self._unread)
        if not is_held:
            self._sliced = NOTHING
            self._unhandled.clear()
            self.hold_waiting(0)
        return is_held

    def _recount(self) -> None:
        """Give back the memory of requests that have been handled, and of bodies that were read."""
        unhandled = self._unhandled
        if not (unhandled.waiting or self._unread) or self.transport is None:
            return
        left = len(self._messages) + len(self._early) + self._is_one_at_work
        unhandled.handled(self._request_count - left)
        self._hold_unhandled()
        is_much = (unhandled.waiting and unhandled.memory) or self._unread
        if is_much and not self._is_recounting:
            self._is_recounting = True
            self._loop.call_later(RECOUNT_SECONDS, self._recount_later)

    def _recount_later(self) -> None:
        self._is_recounting = False
        self._recount()

    def _refusal(self, error: HttpProcessingError) -> tuple[Any, StreamReader]:
        """What is answered with a 400. The requests in the same piece are lost with their parser.

        No more is parsed: the parser would raise the error again for each piece.
        """
        self._parser = None
        body = self._latest_body
        if not body.is_eof():
            body.set_exception(RequestPayloadError(error.message))
            body.feed_eof()
        return _ErrInfo(status=400, exc=error, message=error.message), EMPTY_PAYLOAD

    def _queue(self, messages: Sequence[Any]) -> None:
        self._messages.extend(messages)
        if len(self._messages) >= self._max_msg_queue_size and not self._buffer_paused:
            self._pause_reading_for_buffer()

    def _keep(self, messages: Sequence[Any]) -> None:
        """Queue requests that came while the task does not wait for one.

        A task that has answered waits for the next request a turn later, in which the client may
        have sent it; so it is with a task that has just begun. If it found the request in the
        queue, it would answer it too, and so each request of a quick client, at twice the cost.
        """
        is_between = self._waiter is None and not self._request_in_progress
        if self._early or (is_between and not (self._messages or self._upgraded)):
            if messages and not self._early:
                self._loop.call_soon(self._take_early)
            self._early += messages
        else:
            self._queue(messages)

    def _take_early(self) -> None:
        early, self._early = self._early, []
        if self._close or self.transport is None:
            return  # no more is handled
        self._queue(early)
        if self._is_idle and not (self._asked or self._in_turn):
            self._go_on()

    def _taken(
        self, message: Any, payload: StreamReader | bytes, *, is_queued: bool = False
    ) -> bool:
        try:
            turns = self._turns
            if turns.watched:
                if not is_queued:
                    if self._seen_in == turns.number:
                        turns.end()
                    self._seen_in = turns.number
                turns.left -= 1
                has_waited = self._has_waited
                if (turns.left < 0 or has_waited) and not turns.admits(has_waited=has_waited):
                    return self.refused(message, payload) or self._take(self, message, payload)
            return self._take(self, message, payload)
        except Exception:
            log.exception("A request failed", path=getattr(message, "path", ""))
            self.abandon()
            return True

    def _go_on(self) -> None:
        """Handle the queue until a request is not answered at once."""
        self._asked = False
        self._in_turn = True
        try:
            self._take_queue()
        finally:
            self._in_turn = False
        if self._close:
            self._tell_answered()
            super().close()
        if self._half_closed and not self.is_at_work:
            self._end()

    def _take_queue(self) -> None:
        queue = self._messages
        while queue and not self._asked and self._is_idle:
            message, payload = queue.popleft()
            if self._paused or not self._taken(message, payload, is_queued=True):
                queue.appendleft((message, payload))
                self._wake()
                break
            if self._parser is not None:
                self._parser.message_consumed()
            if self._buffer_paused and len(queue) <= self._msg_queue_resume_size:
                self._resume_reading_if_drained()

    def ask(self) -> None:
        """The answer to the request that was taken comes later, from `answer` or `leave`."""
        self._asked = True

    def send(self, head: bytes, body: bytes) -> None:
        """Send a small answer to the request that was taken, after which another may follow."""
        transport: Any = self.transport  # open: nobody takes a request, or answers one, without
        transport.write(head + body)
        if self._paused:
            self._answered_once_drained()
        elif self._asked:
            self._answered()

    def answer(self, message: Any, reply: Reply) -> None:
        """Send a reply to the request that was taken."""
        transport: Any = self.transport
        reply.write(message, transport)
        if not reply.keep_alive:
            transport.close()
        if self._paused:
            self._answered_once_drained()
        elif self._asked:
            self._answered()

    def _answered_once_drained(self) -> None:
        transport = self.transport
        if transport is None:
            self._answered()
        else:
            self._asked = True
            self._draining = self._loop.create_task(self._drain(transport))

    def leave(self, message: Any, payload: StreamReader) -> None:
        """Leave the request that was taken to the task after all."""
        self._asked = False
        self._messages.appendleft((message, payload))
        self._tell_answered()
        self._wake()

    def abandon(self) -> None:
        """End the connection, since a request that was taken can't be answered."""
        self._asked = False
        self._tell_answered()
        self.force_close()

    def refused(self, message: Any, payload: StreamReader | bytes) -> bool:
        """Whether a request that can't be answered in time is refused now."""
        raise NotImplementedError

    def may_begin(self, size: int) -> bool:
        """Whether to handle a piece of this size; else it has been refused."""
        raise NotImplementedError

    def hold_waiting(self, size: int) -> bool:
        """Hold so much memory for what is not handled yet, instead of what was held for it before;
        False if there is not as much, and it has been refused.
        """
        raise NotImplementedError

    def hold(self, size: int) -> bool:
        """Take memory for the request that is at work; False if there is not as much."""
        raise NotImplementedError

    async def reserve(self, size: int) -> None:
        """The same, after a short wait if need be. Raises UnavailableError."""
        raise NotImplementedError

    def keep(self, size: int) -> None:
        """Give back what is more than `size`."""
        raise NotImplementedError

    def release(self) -> None:
        """Give it back."""
        raise NotImplementedError

    async def drained(self, transport: asyncio.Transport) -> None:
        """Wait until the client has read its answers, or is given up."""
        raise NotImplementedError

    async def _drain(self, transport: asyncio.Transport) -> None:
        await self.drained(transport)
        self._answered()

    def _answered(self) -> None:
        """An answer that came later has been sent.

        The queue is handled in a turn of its own: this is called by what L3 answers, in the middle
        of its bookkeeping, and other requests may write.
        """
        if self._on_answer is not None:
            self._tell_answered()
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._close:
            self._asked = False
            super().close()
        elif (self._messages or self._half_closed) and not self._in_turn:
            self._loop.call_soon(self._go_on)  # until then it counts as `asked`
        else:
            self._asked = False

    def _tell_answered(self) -> None:
        if self._on_answer is not None and not self._on_answer.done():
            self._on_answer.set_result(None)

    @property
    def _is_idle(self) -> bool:
        """Whether the task waits for a request, on an open connection."""
        waiter = self._waiter
        idle = waiter is not None and not waiter.done()
        return idle and not self._close and self.transport is not None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    @property
    def _latest_body(self) -> StreamReader:
        """The only body that may still be arriving."""
        messages = self._early or self._messages
        latest: StreamReader = messages[-1][1] if messages else self.body
        return latest

    @property
    def _is_one_at_work(self) -> bool:
        waiter = self._waiter
        in_task = self._request_count > 0 and (waiter is None or waiter.done())
        return self._asked or in_task

    @property
    def is_at_work(self) -> bool:
        """Whether a request is not answered yet."""
        return self._is_one_at_work or bool(self._messages or self._early)

    @property
    def is_last(self) -> bool:
        """Whether no request follows the one that the task is answering."""
        return self._half_closed and not (self._messages or self._early)

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp's gives None
        """The client sends no more; what it has sent is answered before the connection ends."""
        self._half_closed = True
        if not self._latest_body.is_eof() or not self.is_at_work:
            return False
        self._loop.call_later(HALF_CLOSED_SECONDS, self._end)
        return True

    def _end(self) -> None:
        """End a half-closed connection, when nothing is left to be answered."""
        if self.transport is None:
            return
        if self.is_at_work:
            self._loop.call_later(HALF_CLOSED_SECONDS, self._end)
        else:
            self.transport.close()

    def close(self) -> None:
        """Accept no more requests; an answer that is open is still sent."""
        if self._asked:
            self._close = True
        else:
            super().close()

    def connection_lost(self, exc: BaseException | None) -> None:
        task = self._task_handler
        super().connection_lost(exc)
        if task is not None and not self._request_in_progress:
            task.cancel()  # woken in this turn, it would call handlers that are no longer set
        # The connection is part of a cycle: what it keeps would stay until that is collected.
        self._messages.clear()
        self._early.clear()
        self._sliced = NOTHING
        self.body = EMPTY_PAYLOAD
        self._tell_answered()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109  (aiohttp's)
        self._close = True
        if self._asked:
            self._on_answer = self._loop.create_future()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._on_answer
        await super().shutdown(timeout)

    def _process_keepalive(self) -> None:
        if self._asked:
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        super()._process_keepalive()
