"""What is answered inside `data_received`, without a task: GET, PUT and DELETE of one entry.

A hit in memory is answered at once, what needs L3 by a callback. Everything that may have to wait
for something else is left to the connection's task: bodies that are still arriving, conditional
writes, large values to be unpacked, requests above a limit, and all that may be refused.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from aiohttp import HttpVersion11
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD

from sidecar.api.errors import RequestError, of_write
from sidecar.http.browsers import is_suspect
from sidecar.http.data import (
    PREFIX,
    EntryApi,
    PutQuery,
    checked_key,
    full_key,
    has_conditions,
    reply_to_delete,
    reply_to_put,
)
from sidecar.http.fields import CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, IF_MATCH, IF_NONE_MATCH
from sidecar.http.messages import (
    LARGE_BYTES,
    Reply,
    exceeds,
    internal_error,
    problem_reply,
    too_many_bytes,
)
from sidecar.http.parameters import Parameters
from sidecar.http.problems import ProblemError, problem_of
from sidecar.http.ready import ReadyHeads
from sidecar.model.clock import Clock
from sidecar.model.entry import L1
from sidecar.model.errors import OutcomeUnknownError
from sidecar.serving.admission import Admission
from sidecar.store.store import Ask, Store, Written
from sidecar.tiers.disk import Unanswered

if TYPE_CHECKING:
    from aiohttp.streams import StreamReader

log = structlog.get_logger("sidecar.http")

MESSAGE: Any = RawRequestMessage
ReplyTo = Callable[[Any], Reply]
"""Makes the reply of what the store calls back with. May raise RequestError."""
_parse_query = Parameters(PutQuery).parse


class Connection(Protocol):
    """The part of a connection that is used here."""

    transport: Any

    def ask(self) -> None:
        """The answer comes later: until `answer` or `leave`, other requests are queued."""

    def send(self, head: bytes, body: bytes) -> None:
        """Send the answer to the request that was taken."""

    def answer(self, message: RawRequestMessage, reply: Reply) -> None:
        """Send a reply to the request that was taken."""

    def leave(self, message: RawRequestMessage, payload: StreamReader) -> None:
        """Leave the request that was taken to the task."""


class Asked:
    """A request that is answered later. It is in flight until `end`, which counts once."""

    __slots__ = ("_admission", "_began_at", "_is_open", "_operation", "connection", "message")

    def __init__(
        self,
        admission: Admission,
        connection: Connection,
        message: RawRequestMessage,
        operation: str,
    ) -> None:
        self._admission = admission
        self.connection = connection
        self.message = message
        self._operation = operation
        self._began_at = admission.begin()
        self._is_open = True

    def end(self, status: int | None) -> None:
        """Record the answer; status None if there is none, or not from here."""
        if self._is_open:
            self._is_open = False
            self._admission.end(self._operation, status, self._began_at)


class DirectEntries:
    """Answers requests for entries that need no task."""

    def __init__(self, entries: EntryApi, store: Store, admission: Admission, clock: Clock) -> None:
        self._entries = entries
        self._heads = ReadyHeads(clock)
        self._store = store
        self._admission = admission

    def take(
        self, connection: Connection, message: RawRequestMessage, payload: StreamReader
    ) -> bool:
        """Whether this answers the request, now or later; otherwise nothing has been done."""
        if (
            type(message) is not MESSAGE  # a parser's error
            or message.should_close
            or message.upgrade
            or message.version is not HttpVersion11
            or not message.path.startswith(PREFIX)
            or is_suspect(message.headers)
        ):
            return False
        match message.method:
            case "GET":
                return payload is EMPTY_PAYLOAD and self._get(connection, message)
            case "PUT":
                return self._put(connection, message, payload)
            case "DELETE":
                return payload is EMPTY_PAYLOAD and self._delete(connection, message)
        return False

    # ---- get

    def _get(self, connection: Connection, message: RawRequestMessage) -> bool:
        path = message.path
        if "?" in path:
            return False
        key = full_key(path)
        began_at = perf_counter()
        hit = self._store.look(key)
        if isinstance(hit, Ask):
            return hit.found is None and self._later(
                Asked(self._admission, connection, message, "get"),
                partial(self._store.fetch, key),
                partial(self._entries.reply_to_get, key, message.headers),
            )
        if (
            hit is None
            or hit.tier is not L1
            or len(hit.value) > LARGE_BYTES
            or has_conditions(message.headers)
        ):
            reply_to = partial(self._entries.reply_to_get, key, message.headers)
            reply = self._reply(message, reply_to, hit)
            self._admission.record("get", reply.status, began_at)
            connection.answer(message, reply)
        else:
            head = self._heads.of(hit)
            self._admission.record("get", 200, began_at)
            connection.send(head, hit.value)
        return True

    # ---- put and delete

    def _put(
        self, connection: Connection, message: RawRequestMessage, payload: StreamReader
    ) -> bool:
        store, headers = self._store, message.headers
        length = headers.get(CONTENT_LENGTH)
        if (
            length is None
            or not payload.is_eof()
            or payload.exception() is not None
            or exceeds(length, store.config.max_value_bytes)
            or EXPECT in headers
            or CONTENT_ENCODING in headers
            or not self._may_write(headers)
        ):
            return False
        path, _, query = message.path.partition("?")
        try:
            key, content_type, ttl = self._entries.check_put(path, headers, _parse_query(query))
        except (RequestError, ProblemError):
            return False
        return self._later(
            Asked(self._admission, connection, message, "put"),
            lambda on_written: store.begin_put(
                key, payload.read_nowait(), content_type, ttl, on_written
            ),
            partial(_reply_to_write, reply_to_put, "the value"),
        )

    def _delete(self, connection: Connection, message: RawRequestMessage) -> bool:
        if "?" in message.path or not self._may_write(message.headers):
            return False
        try:
            key = checked_key(message.path)
        except RequestError:
            return False
        return self._later(
            Asked(self._admission, connection, message, "delete"),
            partial(self._store.begin_delete, key),
            partial(_reply_to_write, reply_to_delete, "the deletion"),
        )

    def _may_write(self, headers: Any) -> bool:
        return self._store.accepts and IF_MATCH not in headers and IF_NONE_MATCH not in headers

    # ---- answers that come later

    def _later(
        self, asked: Asked, start: Callable[[Callable[[Any], None]], None], reply_to: ReplyTo
    ) -> bool:
        """Answer with what `reply_to` makes of the outcome, with which `start` lets L3 call back.

        False if too many requests are in flight; nothing has been started then.
        """
        if not self._admission.has_room:
            asked.end(None)
            return False
        asked.connection.ask()
        try:
            start(partial(self._answer, asked, reply_to))
        except BaseException:
            asked.end(None)
            raise
        return True

    def _answer(self, asked: Asked, reply_to: ReplyTo, outcome: object) -> None:
        connection, message = asked.connection, asked.message
        if connection.transport is None:  # the client is gone
            asked.end(None)
        elif isinstance(outcome, Ask):
            asked.end(None)
            connection.leave(message, EMPTY_PAYLOAD)
        else:
            reply = self._reply(message, reply_to, outcome)
            asked.end(reply.status)
            connection.answer(message, reply)

    def _reply(self, message: RawRequestMessage, reply_to: ReplyTo, outcome: Any) -> Reply:
        """The reply to a request, be it an error's: nothing is raised into what L3 answers."""
        try:
            reply = reply_to(outcome)
            if len(reply.body) > LARGE_BYTES and not self._admission.admits_bytes():
                raise too_many_bytes()
        except RequestError as error:
            reply = problem_reply(problem_of(error))
        except Exception:
            log.exception("A request failed", path=message.path)
            reply = internal_error()
        return reply


def _reply_to_write(
    reply_to: Callable[[Written], Reply], what: str, written: Written | Unanswered
) -> Reply:
    if isinstance(written, Unanswered):
        raise of_write(OutcomeUnknownError(), what)
    return reply_to(written)
