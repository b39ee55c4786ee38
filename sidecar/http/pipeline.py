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

In `idle` and `asked` the task waits for `_waiter`, and in `asked` nobody wakes it. This rests on
private parts of aiohttp; `tests/http/test_private_parts.py` names them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from sidecar.http.messages import Reply, write

HALF_CLOSED_SECONDS = 1.0
"""How often a half-closed connection is looked at; mostly it ends with its last answer."""

log = structlog.get_logger("sidecar.http")

Take = Callable[["Pipeline", Any, StreamReader], bool]
"""Given a parsed request and its body: whether it answers the request, now or later. It then calls
`send` or `answer`, after `ask` if that is later, or `leave`; otherwise it has done nothing."""


def leave_all(_connection: Pipeline, _message: Any, _payload: StreamReader) -> bool:
    """Take no request."""
    return False


class Pipeline(RequestHandler):
    """The requests of one connection, and their answers in order."""

    __slots__ = (
        "_asked",
        "_body",
        "_draining",
        "_half_closed",
        "_in_turn",
        "_on_answer",
        "_take",
    )

    def __init__(self, manager: Any, *, take: Take, **options: Any) -> None:
        """`options` are aiohttp's."""
        super().__init__(manager, **options)
        self._take = take
        self._asked = False  # a request that was taken is not answered yet
        self._in_turn = False  # requests are being taken: an answer need not look for the next
        self._on_answer: asyncio.Future[None] | None = None  # where a stop waits for it
        self._draining: asyncio.Task[None] | None = None
        self._body: StreamReader = EMPTY_PAYLOAD  # of the latest request that was queued
        self._half_closed = False

    def data_received(self, data: bytes) -> None:
        waiter = self._waiter
        if waiter is None or self._upgraded or waiter.done():
            super().data_received(data)  # the task is at work, or the connection ends
            if self._messages:
                self._body = self._messages[-1][1]
            return
        nested, self._in_turn = self._in_turn, True
        parser: Any = self._parser
        queue = self._messages
        room = self._max_msg_queue_size - len(queue)
        while True:
            messages: Any
            try:
                messages, self._upgraded, self._message_tail = parser.feed_data(data)
            except HttpProcessingError as error:
                messages = [(_ErrInfo(status=400, exc=error, message=error.message), EMPTY_PAYLOAD)]
            for message, payload in messages:
                self._request_count += 1
                if queue or self._asked or self._paused or not self._take(self, message, payload):
                    queue.append((message, payload))
                    self._body = payload
                else:
                    parser.message_consumed()
            if len(messages) < room:
                break
            # The parser lets only so many wait, and has kept the rest of the data.
            room = self._max_msg_queue_size - len(queue)
            if not room:
                if not self._buffer_paused:
                    self._pause_reading_for_buffer()
                break
            data = b""
        if nested:  # in a turn of `_answered`, which goes on
            return
        self._in_turn = False
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if queue and not self._asked:
            self._wake()

    def ask(self) -> None:
        """The answer to the request that was taken comes later, from `answer` or `leave`."""
        self._asked = True

    def send(self, head: bytes, body: bytes) -> None:
        """Send the answer to the request that was taken."""
        write(self._open_transport, head, body)
        if self._paused or self._asked:
            self._sent(len(body))

    def answer(self, message: Any, reply: Reply) -> None:
        """Send a reply to the request that was taken."""
        transport = self._open_transport
        try:
            reply.write(message, transport)
        except Exception:  # called by what L3 answers: others wait for their answers, too
            log.exception("A request failed", path=message.path)
            self.force_close()
        if not reply.keep_alive:
            transport.close()
        if self._paused or self._asked:
            self._sent(len(reply.body))

    def _sent(self, size: int) -> None:
        if self._paused and self.transport is not None:
            self._asked = True
            self._draining = self._loop.create_task(self._drain(self._open_transport, size))
        else:
            self._answered()

    def leave(self, message: Any, payload: StreamReader) -> None:
        """Leave the request that was taken to the task after all."""
        self._asked = False
        self._messages.appendleft((message, payload))
        self._wake()

    async def drained(self, transport: asyncio.Transport, size: int) -> None:
        """Wait until the client has read the answer, of `size` bytes, or is given up."""
        raise NotImplementedError

    async def _drain(self, transport: asyncio.Transport, size: int) -> None:
        await self.drained(transport, size)
        self._answered()

    def _answered(self) -> None:
        """Go on with what was queued meanwhile."""
        self._asked = False
        if self._on_answer is not None and not self._on_answer.done():
            self._on_answer.set_result(None)
        if self._in_turn or self.transport is None:
            return
        queue = self._messages
        self._in_turn = True
        while queue and not self._asked and not self._close:
            message, payload = queue.popleft()
            if self._paused or not self._take(self, message, payload):
                queue.appendleft((message, payload))
                self._wake()
                break
            if self._parser is not None:
                self._parser.message_consumed()
            if self._buffer_paused and len(queue) <= self._msg_queue_resume_size:
                self._resume_reading_if_drained()
        self._in_turn = False
        if self._half_closed and not self.is_at_work:
            self._end()

    @property
    def _open_transport(self) -> Any:
        """The transport; None once the connection is lost, which `take` looks for."""
        return self.transport

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    @property
    def is_at_work(self) -> bool:
        """Whether a request is not answered yet."""
        waiter = self._waiter
        in_task = self._request_count > 0 and (waiter is None or waiter.done())
        return self._asked or in_task or bool(self._messages)

    @property
    def is_last(self) -> bool:
        """Whether no request follows the one that the task is answering."""
        return self._half_closed and not self._messages

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp's gives None
        """The client sends no more; what it has sent is answered before the connection ends."""
        self._half_closed = True
        if not self._body.is_eof() or not self.is_at_work:
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
