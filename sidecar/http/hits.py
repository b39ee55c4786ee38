"""The answer to a GET or HEAD of an entry that there is: the value, a part of it, or that the
client has it already; and the coding in which it is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from sidecar.api.values import MAX_TTL_SECONDS, seconds_left
from sidecar.http.accepting import IDENTITY, ZSTD, Accepted, accepted_by
from sidecar.http.browsers import SANDBOX
from sidecar.http.coded import VARY, Form, Forms, Memory, coding_for, may_vary
from sidecar.http.conditions import coding_held, etag
from sidecar.http.fields import CACHE_CONTROL, IF_MATCH, IF_NONE_MATCH, RANGE, SEC_FETCH_DEST
from sidecar.http.messages import Reply
from sidecar.http.problems import ProblemError
from sidecar.http.ranges import part_of
from sidecar.http.tags import groups_line
from sidecar.model.clock import Clock
from sidecar.model.entry import Hit
from sidecar.model.terms import Terms
from sidecar.tiers.packing import LOOP_BYTES

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    Headers = CIMultiDictProxy[str]

# For %, which takes half the time of an f-string, if the numbers are integers.
_TIMES = (
    "Age: %d\r\nCache-Control: no-cache\r\nCache-Status: cache-sidecar; hit; ttl=%d; detail=%s\r\n"
)
_NEVER = "Age: %d\r\nCache-Control: no-cache\r\nCache-Status: cache-sidecar; hit; detail=%s\r\n"
LINES_OF_HIT = f'ETag: "%x"\r\n{_TIMES}'
_NOT_ACCEPTABLE = (
    "Accept-Encoding excludes every coding that the value can be sent in; accept identity, gzip or "
    "zstd."
)


class Aside(Struct, frozen=True):
    """An answer whose value is so large that it has to be coded in a thread first."""

    hit: Hit
    headers: Headers
    coding: str
    accepted: Accepted


class HitReplies:
    """Makes the replies, and the coded forms of values for them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._forms = Forms()

    def reply(self, headers: Headers, hit: Hit, *, is_get: bool = True) -> Reply | Aside:
        """The reply to a GET or a HEAD, for which ranges mean nothing; or what `reply_aside` makes
        it of. Raises RequestError and ProblemError.
        """
        accepted = accepted_by(headers, is_get=is_get)
        if not accepted:
            raise ProblemError(406, _NOT_ACCEPTABLE, headers=VARY)
        if IF_NONE_MATCH in headers or IF_MATCH in headers:
            held = coding_held(headers, hit.entry, accepted)
            if held is not None:
                return Reply(304, self._lines(hit, held))
        coding = coding_for(hit, accepted)
        if hit.packed or coding == IDENTITY:
            form = Form(coding, hit.value)
        elif len(hit.value) <= LOOP_BYTES:
            form = self._forms.of(hit, coding, accepted)
        else:
            return Aside(hit, headers, coding, accepted)
        reply = self._whole(hit, headers, form)
        if is_get and RANGE in headers and form.coding == IDENTITY:
            return _part(reply, etag(hit.entry), headers)
        return reply

    async def reply_aside(self, aside: Aside, memory: Memory) -> Reply:
        """Raises what `memory` does."""
        form = await self._forms.of_large(aside.hit, aside.coding, aside.accepted, memory)
        return self._whole(aside.hit, aside.headers, form)

    def _whole(self, hit: Hit, headers: Headers, form: Form) -> Reply:
        lines = lines_of_value(hit, self._lines(hit, form.coding), headers)
        if form.coding != IDENTITY:
            lines += f"Content-Encoding: {form.coding}\r\n"
        return Reply(200, lines, form.body)

    def _lines(self, hit: Hit, coding: str) -> str:
        vary = VARY if coding != IDENTITY or may_vary(hit) else ""
        return lines_of_hit(hit, self._clock(), coding) + vary


def _part(whole: Reply, tag: str, headers: Headers) -> Reply:
    """The part that a range asks for, or the whole."""
    size = len(whole.body)
    part = part_of(headers, tag, size)
    if part is None:
        return whole
    return Reply(206, whole.headers + part.lines(size), whole.body[part.first : part.last + 1])


def takes_frames(headers: Headers, *, is_get: bool = True) -> bool:
    """Whether a value that is held as a zstd frame is sent as that. Raises ProblemError."""
    return accepted_by(headers, is_get=is_get)[:1] == (ZSTD,)


def has_conditions(headers: Headers) -> bool:
    """Whether the answer to a hit depends on more than the entry and Accept-Encoding."""
    return (
        IF_NONE_MATCH in headers
        or IF_MATCH in headers
        or RANGE in headers
        or SEC_FETCH_DEST in headers
        or CACHE_CONTROL in headers
    )


def lines_of_value(hit: Hit, lines: str, headers: Headers) -> str:
    """The header fields of an answer that has the value, or a part of it."""
    sandbox = SANDBOX if SEC_FETCH_DEST in headers else ""
    return f"Content-Type: {hit.entry.content_type}\r\n{lines}{sandbox}"


def lines_of_hit(hit: Hit, now: float, coding: str = IDENTITY) -> str:
    """The header fields of an answer that is a hit, without its content type.

    A client's own cache has to ask again each time: another client may have put or deleted the
    entry, whatever it has left to live.
    """
    entry = hit.entry
    if entry.terms is not None:
        return _lines_with_terms(hit, entry.terms, now, coding)
    tag, times = f"ETag: {etag(entry, coding)}\r\n", entry.times
    age, left = now - times.real, times.imag - now
    age = 0.0 if age < 0 else age
    if left >= MAX_TTL_SECONDS:
        return tag + _NEVER % (int(age), hit.tier)
    left = 0.0 if left < 0 else left
    return tag + _TIMES % (int(age), int(left), hit.tier)


def _lines_with_terms(hit: Hit, terms: Terms, now: float, coding: str) -> str:
    """The same of an entry with terms. Stale, it has less than 0 seconds left (RFC 9211)."""
    entry = hit.entry
    tag = f"ETag: {etag(entry, coding)}\r\n"
    age, left = max(0, int(now - entry.created_at)), seconds_left(entry.expires_at, now)
    groups = groups_line(terms.tags) if terms.tags else ""
    if left is None:
        return tag + _NEVER % (age, hit.tier) + groups
    left = min(left, -1) if hit.stale else max(left, 0)
    return tag + _TIMES % (age, left, hit.tier) + groups
