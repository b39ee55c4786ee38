"""What is answered inside `data_received`, without a task: GET, PUT and DELETE of one entry.

A hit in memory is answered at once, what needs L3 by a callback. Everything that may have to wait
for something else is left to the connection's task: bodies that are still arriving, conditional
writes, large values to be unpacked, requests above a limit, and all that may be refused. One class
of more than 300 lines, since all of it ends in the same answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from aiohttp import HttpVersion11
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from msgspec import Struct

from sidecar.api.errors import RequestError, of_write
from sidecar.api.values import KEEP
from sidecar.http.accepting import IDENTITY, accepted_by
from sidecar.http.browsers import is_suspect
from sidecar.http.coded import is_compressible
from sidecar.http.data import (
    PREFIX,
    EntryApi,
    checked_key,
    full_key,
)
from sidecar.http.fields import (
    CACHE_CONTROL,
    CACHE_LEASE,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    EXPECT,
    IF_MATCH,
    IF_NONE_MATCH,
    PREFER,
)
from sidecar.http.hits import Aside, has_conditions, takes_frames
from sidecar.http.messages import (
    LARGE_BYTES,
    Reply,
    exceeds,
    internal_error,
    memory_of,
    problem_reply,
    too_many_bytes,
)
from sidecar.http.parameters import Parameters
from sidecar.http.problems import ProblemError, problem_of
from sidecar.http.queries import PutQuery
from sidecar.http.ready import ReadyHeads
from sidecar.http.routing import has_dot_segment
from sidecar.http.written import reply_to_delete, reply_to_put
from sidecar.model.clock import Clock
from sidecar.model.entry import Hit, is_full_key
from sidecar.model.errors import OutcomeUnknownError, WriteError
from sidecar.serving.admission import Admission
from sidecar.store.store import Ask, Store, Written
from sidecar.tiers.disk import Unanswered
from sidecar.tiers.packing import LEAST_BYTES

if TYPE_CHECKING:
    from aiohttp.streams import StreamReader
    from multidict import CIMultiDictProxy

log = structlog.get_logger("sidecar.http")

MESSAGE: Any = RawRequestMessage
NO_PARAMETERS = PutQuery()
LARGE_DIGITS = len(str(LARGE_BYTES)) - 1
"""A Content-Length of more digits may be large, or has zeros in front."""
WRITTEN = {"PUT": "the value", "DELETE": "the deletion"}
_parse_query = Parameters(PutQuery).parse


class Connection(Protocol):
    """The part of a connection that is used here."""

    transport: Any
    uncounted_bytes: int

    def hold(self, size: int) -> bool:
        """Take memory from the budget until the request that was taken is answered."""

    async def reserve(self, size: int) -> None:
        """The same, after a short wait if need be. Raises UnavailableError."""

    def keep(self, size: int) -> None:
        """Hold at most so much from now on."""

    def release(self) -> None:
        """Give it back."""

    def refused(self, message: Any, payload: StreamReader | bytes) -> bool:
        """Whether a request that can't be answered in time is refused now."""

    def ask(self) -> None:
        """The answer comes later: until `answer` or `leave`, other requests are queued."""

    def send(self, head: bytes, body: bytes) -> None:
        """Send a small answer to the request that was taken, after which another may follow."""

    def answer(self, message: RawRequestMessage, reply: Reply) -> None:
        """Send a reply to the request that was taken."""

    def leave(self, message: RawRequestMessage, payload: StreamReader) -> None:
        """Leave the request that was taken to the task."""

    def abandon(self) -> None:
        """End the connection, since the request that was taken can't be answered."""


class Asked(Struct, eq=False):
    """A request that is answered later."""

    connection: Connection
    message: Any
    operation: str
    began_at: float
    in_flight: bool = True


class DirectEntries:
    """Answers requests for entries that need no task."""

    def __init__(self, entries: EntryApi, store: Store, admission: Admission, clock: Clock) -> None:
        self._entries = entries
        self._loader = entries.loader
        self._heads = ReadyHeads(clock)
        self._store = store
        self._admission = admission
        self._known: CIMultiDictProxy[str] | None = None
        """The header fields of the latest GET, as most requests repeat them, and what is derived
        from them: one comparison instead of six lookups."""
        self._plain_bytes: float = -1
        """The largest value that is sent as it was put, whatever its media type; -1 if the answer
        depends on other header fields."""
        self._takes_frames = False
        self._fetch_packed = partial(store.fetch, packed=True)
        self._coding: set[asyncio.Task[None]] = set()
        """Tasks that have large values coded: at most one of a connection."""

    def take(
        self, connection: Connection, message: RawRequestMessage, payload: StreamReader | bytes
    ) -> bool:
        """Whether this answers the request, now or later; otherwise nothing has been done."""
        if (
            type(message) is not MESSAGE  # a parser's error
            or message.should_close
            or message.upgrade
            or message.version is not HttpVersion11
            or not (path := message.path).startswith(PREFIX)
            or (("/." in path or "%2" in path) and has_dot_segment(path))
            or ((headers := message.headers) is not self._known and is_suspect(headers))
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
        path, headers = message.path, message.headers
        key = full_key(path)
        if (
            "?" in path
            or (headers is not self._known and CACHE_CONTROL in headers)
            or (self._store.namespaces.any and self._loader.may_fetch(key))
        ):
            return False
        began_at = perf_counter()
        if headers is not self._known:
            self._look_at(headers)
        hit = self._store.look(key, self._takes_frames)
        if (
            isinstance(hit, Hit)
            and len(hit.value) <= connection.uncounted_bytes
            and self._is_plain(headers, hit)
            and (head := self._heads.of(hit))
        ):
            self._admission.record("get", 200, began_at)
            connection.send(head, hit.value)
            return True
        if isinstance(hit, Ask):
            if hit.found is not None or not (self._admission.has_room and is_full_key(key)):
                return False
            refuses = not self._admission.has_few and self._store.refuses_read(key)
            if refuses and connection.refused(message, EMPTY_PAYLOAD):
                return True
            asked = Asked(connection, message, "get", self._admission.begin())
            fetch = self._fetch_packed if self._takes_frames else self._store.fetch
            self._ask(asked, fetch, key)
            return True
        reply = self._reply(connection, message, hit)
        if isinstance(reply, Aside):
            asked = Asked(connection, message, "get", self._admission.begin())
            connection.ask()
            self._code(asked, reply)
        else:
            self._admission.record("get", reply.status, began_at)
            connection.answer(message, reply)
        return True

    def _is_plain(self, headers: CIMultiDictProxy[str], hit: Hit) -> bool:
        """Whether the value is sent as it was put, and the answer depends on the entry alone. The
        header fields are not suspect.
        """
        if headers is not self._known:
            self._look_at(headers)
        if hit.packed or self._plain_bytes < 0:
            return False
        return len(hit.value) <= self._plain_bytes or not is_compressible(hit.entry.content_type)

    def _look_at(self, headers: CIMultiDictProxy[str]) -> None:
        """Derive what answers to hits depend on."""
        self._known = headers
        self._plain_bytes, self._takes_frames = -1, False
        try:
            accepted = accepted_by(headers)
        except ProblemError:
            return  # `_reply` answers with it
        self._takes_frames = takes_frames(headers)
        if IDENTITY in accepted and not has_conditions(headers):
            self._plain_bytes = inf if accepted[0] == IDENTITY else LEAST_BYTES - 1

    # ---- put and delete

    def _put(
        self, connection: Connection, message: RawRequestMessage, payload: StreamReader | bytes
    ) -> bool:
        headers = message.headers
        length = headers.get(CONTENT_LENGTH)
        if (
            length is None
            or exceeds(length, self._store.config.max_value_bytes)
            or not _has_arrived(payload)
            or EXPECT in headers
            or CONTENT_ENCODING in headers
            or not self._may_write(headers)
            or (len(length) > LARGE_DIGITS and not connection.hold(int(length)))
        ):
            return False
        path, _, query = message.path.partition("?")
        try:
            parameters = _parse_query(query) if query else NO_PARAMETERS
            if parameters.ttl == KEEP:  # it depends on the version in force
                connection.release()
                return False
            key, content_type, ttl, terms = self._entries.check_put(path, headers, parameters)
        except (RequestError, ProblemError):
            connection.release()
            return False
        if self._refuses_write() and connection.refused(message, payload):
            connection.release()
            return True
        value = _whole(payload)
        asked = Asked(connection, message, "put", self._admission.begin())
        begin = self._store.begin_put
        if terms is not None:
            begin = partial(begin, terms=terms)
        self._ask(asked, begin, key, value, content_type, ttl)
        return True

    def _delete(self, connection: Connection, message: RawRequestMessage) -> bool:
        headers = message.headers
        if "?" in message.path or PREFER in headers or not self._may_write(headers):
            return False
        try:
            key = checked_key(message.path)
        except RequestError:
            return False
        if self._refuses_write() and connection.refused(message, EMPTY_PAYLOAD):
            return True
        asked = Asked(connection, message, "delete", self._admission.begin())
        self._ask(asked, self._store.begin_delete, key)
        return True

    def _may_write(self, headers: Any) -> bool:
        return (
            self._store.accepts
            and self._admission.has_room
            and CACHE_LEASE not in headers
            and IF_MATCH not in headers
            and IF_NONE_MATCH not in headers
        )

    def _refuses_write(self) -> bool:
        return not self._admission.has_few and self._store.refuses_write()

    # ---- answers that come later

    def _ask(self, asked: Asked, start: Callable[..., None], *arguments: object) -> None:
        """Call `start` with these arguments, and with a callback that answers."""
        asked.connection.ask()
        try:
            start(*arguments, partial(self._answer, asked))
        except WriteError as error:  # nothing was changed
            self._answer(asked, error)
        except BaseException:
            self._end(asked, None)
            raise

    def _answer(self, asked: Asked, outcome: object) -> None:
        """Answer with an outcome. Nothing is raised: L3 has answered others, too."""
        connection, message = asked.connection, asked.message
        try:
            if connection.transport is None:  # the client is gone
                self._end(asked, None)
            elif (
                isinstance(outcome, Hit)
                and len(outcome.value) <= connection.uncounted_bytes
                and self._is_plain(message.headers, outcome)
                and (head := self._heads.of(outcome))
            ):
                self._end(asked, 200)
                connection.send(head, outcome.value)
            elif outcome is None:
                head, body = self._heads.of_miss()
                self._end(asked, 404)
                connection.send(head, body)
            elif isinstance(outcome, Ask):
                self._end(asked, None)
                connection.leave(message, EMPTY_PAYLOAD)
            else:
                reply = self._reply(connection, message, outcome)
                if isinstance(reply, Aside):
                    self._code(asked, reply)
                    return
                self._end(asked, reply.status)
                connection.answer(message, reply)
        except Exception:
            log.exception("A request failed", path=message.path)
            self._end(asked, None)
            connection.abandon()

    def _code(self, asked: Asked, aside: Aside) -> None:
        """Have a large value coded, and answer then."""
        task = asyncio.get_running_loop().create_task(self._answer_coded(asked, aside))
        self._coding.add(task)
        task.add_done_callback(self._coding.discard)

    async def _answer_coded(self, asked: Asked, aside: Aside) -> None:
        outcome: object
        try:
            outcome = await self._entries.hits.reply_aside(aside, asked.connection)
        except Exception as error:  # noqa: BLE001  (`_reply` answers with it)
            outcome = error
        self._answer(asked, outcome)

    def _end(self, asked: Asked, status: int | None) -> None:
        """Count it as no longer in flight, once; status None if the answer is not from here."""
        if asked.in_flight:
            asked.in_flight = False
            self._admission.end(asked.operation, status, asked.began_at)

    def _reply(
        self, connection: Connection, message: RawRequestMessage, outcome: object
    ) -> Reply | Aside:
        """The reply to a request with what the store gave, be it an error's."""
        try:
            reply = self._reply_to(message, outcome)
            if isinstance(reply, Aside):
                return reply
            size = len(reply.body)
            if size > connection.uncounted_bytes and not connection.hold(memory_of(size)):
                raise too_many_bytes()
        except RequestError as error:
            reply = problem_reply(problem_of(error))
        except ProblemError as problem:
            reply = problem_reply(problem)
        except Exception:
            log.exception("A request failed", path=message.path)
            reply = internal_error()
        return reply

    def _reply_to(self, message: RawRequestMessage, outcome: Any) -> Reply | Aside:
        """Raises RequestError and ProblemError."""
        if isinstance(outcome, Reply):
            return outcome
        if isinstance(outcome, Written):
            return reply_to_put(outcome) if message.method == "PUT" else reply_to_delete(outcome)
        if isinstance(outcome, Unanswered):
            raise of_write(OutcomeUnknownError(), WRITTEN[message.method])
        if isinstance(outcome, WriteError):
            raise of_write(outcome, WRITTEN[message.method])
        if isinstance(outcome, Exception):
            raise outcome
        return self._entries.reply_to_get(full_key(message.path), message.headers, outcome)


def _has_arrived(payload: StreamReader | bytes) -> bool:
    """Whether the body is there, without an error."""
    return isinstance(payload, bytes) or (payload.is_eof() and payload.exception() is None)


def _whole(payload: StreamReader | bytes) -> bytes:
    """A body that has arrived. A small one is in one piece, and is taken as that: `read_nowait`
    would have the parser look for more, which only a large body keeps from parsing.
    """
    if isinstance(payload, bytes):
        return payload
    if 0 < payload.total_bytes <= LARGE_BYTES and len(payload._buffer) == 1:
        return payload._buffer[0]
    return payload.read_nowait()
