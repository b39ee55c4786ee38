"""What is answered inside `data_received`, without a task: GET, PUT and DELETE of one entry.

A hit in memory is answered at once, what needs L3 by a callback. Everything that may have to wait
for something else is left to the connection's task: bodies that are still arriving, conditional
writes, large values to be unpacked, requests above a limit, and all that may be refused.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

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
from sidecar.http.messages import LARGE_BYTES, Reply, exceeds, problem_reply, too_many_bytes
from sidecar.http.parameters import Parameters
from sidecar.http.problems import ProblemError, problem_of
from sidecar.http.ready import ReadyHeads
from sidecar.model.clock import Clock
from sidecar.model.entry import L1, Hit
from sidecar.model.errors import OutcomeUnknownError
from sidecar.serving.admission import Admission
from sidecar.store.store import Ask, OnWritten, Store, Written
from sidecar.tiers.disk import Unanswered

if TYPE_CHECKING:
    from aiohttp.streams import StreamReader

MESSAGE: Any = RawRequestMessage
WRITES = {"put": (reply_to_put, "the value"), "delete": (reply_to_delete, "the deletion")}
"""What answers a write, and what an error calls it."""
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
        began_at = self._admission.begin()
        hit = self._store.look(key)
        if not isinstance(hit, Ask):
            if (
                hit is None
                or hit.tier is not L1
                or len(hit.value) > LARGE_BYTES
                or has_conditions(message.headers)
            ):
                self._reply_to_get(connection, message, key, began_at, hit)
            else:
                head = self._heads.of(hit)
                self._admission.end("get", 200, began_at)
                connection.send(head, hit.value)
            return True
        if hit.found is not None or not self._admission.has_room:
            self._admission.end("get", None, began_at)
            return False
        connection.ask()
        self._store.fetch(key, partial(self._got, connection, message, key, began_at))
        return True

    def _got(
        self,
        connection: Connection,
        message: RawRequestMessage,
        key: bytes,
        began_at: float,
        hit: Hit | Ask | None,
    ) -> None:
        if isinstance(hit, Ask):
            self._admission.end("get", None, began_at)
            connection.leave(message, EMPTY_PAYLOAD)
        else:
            self._reply_to_get(connection, message, key, began_at, hit)

    def _reply_to_get(
        self,
        connection: Connection,
        message: RawRequestMessage,
        key: bytes,
        began_at: float,
        hit: Hit | None,
    ) -> None:
        try:
            reply = self._entries.reply_to_get(key, message.headers, hit)
            if len(reply.body) > LARGE_BYTES and not self._admission.admits_bytes():
                raise too_many_bytes()
        except RequestError as error:
            reply = problem_reply(problem_of(error))
        self._answer(connection, message, "get", began_at, reply)

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
        on_written = self._begin(connection, message, "put")
        if on_written is None:
            return False
        value = payload.read_nowait()
        store.begin_put(key, value, content_type, ttl, on_written)
        return True

    def _delete(self, connection: Connection, message: RawRequestMessage) -> bool:
        if "?" in message.path or not self._may_write(message.headers):
            return False
        try:
            key = checked_key(message.path)
        except RequestError:
            return False
        on_written = self._begin(connection, message, "delete")
        if on_written is None:
            return False
        self._store.begin_delete(key, on_written)
        return True

    def _begin(
        self, connection: Connection, message: RawRequestMessage, operation: str
    ) -> OnWritten | None:
        """What answers a write when it is done; None if too many requests are in flight."""
        began_at = self._admission.begin()
        if not self._admission.has_room:
            self._admission.end(operation, None, began_at)
            return None
        connection.ask()
        return partial(self._done, connection, message, operation, began_at)

    def _done(
        self,
        connection: Connection,
        message: RawRequestMessage,
        operation: str,
        began_at: float,
        written: Written | Unanswered,
    ) -> None:
        reply_to, what = WRITES[operation]
        if isinstance(written, Unanswered):
            reply = problem_reply(problem_of(of_write(OutcomeUnknownError(), what)))
        else:
            reply = reply_to(written)
        self._answer(connection, message, operation, began_at, reply)

    def _may_write(self, headers: Any) -> bool:
        return self._store.accepts and IF_MATCH not in headers and IF_NONE_MATCH not in headers

    def _answer(
        self,
        connection: Connection,
        message: RawRequestMessage,
        operation: str,
        began_at: float,
        reply: Reply,
    ) -> None:
        if connection.transport is None:  # the client is gone
            self._admission.end(operation, None, began_at)
            return
        self._admission.end(operation, reply.status, began_at)
        connection.answer(message, reply)
