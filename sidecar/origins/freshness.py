"""What may be done with a response: whether it may be stored, for how long, and how stale.

Pure: the times are parameters. By RFC 9111, as a shared cache: the sidecar has one client, but the
application answers many people from it, so what is `private` to one of them is not stored, and
`s-maxage` goes before `max-age`. Where this differs from a cache on the way:

- Nothing that a client of the sidecar sends reaches the origin, not even `Authorization`: if the
  operator configured one, it is the namespace's own. So all responses are to the same client, and
  section 3.5, which protects the responses to one client from others, has nothing to forbid.
- Requests differ in their URL only, so a response that varies by any field of the request belongs
  to nobody else, and is not stored. `Accept-Encoding` is always the same.
- No heuristics (section 4.2.2): without explicit freshness, the namespace's default applies. It
  counts from now, since whoever configured it did not know the age of the response.
- `must-understand` is not implemented, so a `no-store` beside it is obeyed (section 5.2.2.3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import msgspec

from sidecar.origins.cache_control import (
    MAX_CHARACTERS,
    MAX_SECONDS,
    Directives,
    directives_of,
    seconds_in,
    whole_seconds,
)

if TYPE_CHECKING:
    from multidict import MultiMapping

    Headers = MultiMapping[str]

MAX_VALIDATOR = 1024
"""The longest ETag that is kept, and sent with every revalidation."""

_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')


class Freshness(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a response allows. Durations are seconds from when it was received."""

    store: bool
    """Whether it may be stored, and answer others than who asked."""
    lifetime_seconds: float
    """0 if it has to be revalidated before each use (`no-cache`); may be `inf`, as the default."""
    must_revalidate: bool
    """Once stale, it is not used without revalidation, whatever the configuration allows."""
    stale_while_revalidate_seconds: float | None
    """Use after the lifetime, while it is fetched again; None if the response does not say."""
    stale_if_error_seconds: float | None
    """Use after the lifetime, if the origin fails; None if the response does not say."""
    etag: str | None
    last_modified: str | None

    def narrowed(self, redirect: Freshness) -> Freshness:
        """The freshness of this response for the URL that redirected to it: no more than that of
        both. The validators are those of another URL, and name nothing at this one.
        """
        return msgspec.structs.replace(
            self,
            store=self.store and redirect.store,
            lifetime_seconds=min(self.lifetime_seconds, redirect.lifetime_seconds),
            must_revalidate=self.must_revalidate or redirect.must_revalidate,
            stale_while_revalidate_seconds=_least(
                self.stale_while_revalidate_seconds, redirect.stale_while_revalidate_seconds
            ),
            stale_if_error_seconds=_least(
                self.stale_if_error_seconds, redirect.stale_if_error_seconds
            ),
            etag=None,
            last_modified=None,
        )


def freshness_of(
    headers: Headers, *, requested_at: float, answered_at: float, default_seconds: float
) -> Freshness:
    """The freshness of a response whose status may be stored. Times are wall clock seconds."""
    directives = directives_of(headers.getall("Cache-Control", ()))
    stated = directives or {}
    lifetime = default_seconds
    explicit = _explicit_lifetime(headers, stated, answered_at)
    if explicit is not None:
        lifetime = max(0.0, explicit - _age(headers, requested_at, answered_at))
    while_revalidating = seconds_in(stated, "stale-while-revalidate")
    if_error = seconds_in(stated, "stale-if-error")
    must_revalidate = not stated.keys().isdisjoint(
        ("no-cache", "must-revalidate", "proxy-revalidate")
    )
    if must_revalidate:  # goes before what RFC 5861 permits: RFC 9111, section 4.2.4
        while_revalidating = if_error = 0.0
    elif "s-maxage" in stated:
        # It forbids stale use as proxy-revalidate does (RFC 9111, section 5.2.2.10), but not what
        # the same response permits explicitly: origins state both, and mean it.
        must_revalidate = not (while_revalidating or if_error)
        while_revalidating, if_error = while_revalidating or 0.0, if_error or 0.0
    return Freshness(
        store=directives is not None and _may_store(headers, directives),
        lifetime_seconds=0.0 if "no-cache" in stated else lifetime,
        must_revalidate=must_revalidate,
        stale_while_revalidate_seconds=while_revalidating,
        stale_if_error_seconds=if_error,
        etag=_etag(headers),
        last_modified=_last_modified(headers),
    )


def _least(one: float | None, other: float | None) -> float | None:
    """The least of those that are stated."""
    return min((each for each in (one, other) if each is not None), default=None)


def _may_store(headers: Headers, directives: Directives) -> bool:
    """RFC 9111, sections 3 and 4.1. A `private` that names fields counts as one that does not."""
    if "no-store" in directives or "private" in directives:
        return False
    varying = ",".join(headers.getall("Vary", ()))
    if len(varying) > MAX_CHARACTERS:
        return False
    return {name.strip(" \t").lower() for name in varying.split(",")} <= {"", "accept-encoding"}


def _explicit_lifetime(
    headers: Headers, directives: Directives, answered_at: float
) -> float | None:
    """RFC 9111, section 4.2.1; None if the response states none."""
    for name in ("s-maxage", "max-age"):
        seconds = seconds_in(directives, name)
        if seconds is not None:
            return seconds
    expires: Sequence[str] = headers.getall("Expires", ())
    if not expires:
        return None
    moment = _moment(expires[0]) if len(expires) == 1 else None
    if moment is None:  # such as 0, which is in the past (RFC 9111, section 5.3)
        return 0.0
    return min(moment - _date(headers, answered_at), MAX_SECONDS)


def _age(headers: Headers, requested_at: float, answered_at: float) -> float:
    """The age when it was received: RFC 9111, section 4.2.3. Of several ages the first counts; one
    that is not valid is ignored (section 5.1).
    """
    stated = headers.get("Age", "").partition(",")[0].strip(" \t")
    delay = max(0.0, answered_at - requested_at)
    apparent = max(0.0, answered_at - _date(headers, answered_at))
    return max(apparent, (whole_seconds(stated) or 0.0) + delay)


def _date(headers: Headers, answered_at: float) -> float:
    """RFC 9110, section 6.6.1: the time of receipt, where there is none."""
    moment = _moment(headers.get("Date", ""))
    return answered_at if moment is None else moment


def _moment(field: str) -> float | None:
    """An HTTP date (RFC 9110, section 5.6.7), also in the obsolete forms; None for other text."""
    if not field or len(field) > 64:
        return None
    try:
        moment = parsedate_to_datetime(field)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _etag(headers: Headers) -> str | None:
    """The ETag, if it is valid: it is sent back as it is (RFC 9110, section 8.8.3)."""
    field = headers.get("ETag", "").strip(" \t")
    return field if len(field) <= MAX_VALIDATOR and _ETAG.fullmatch(field) else None


def _last_modified(headers: Headers) -> str | None:
    """Likewise (RFC 9110, section 8.8.2)."""
    field = headers.get("Last-Modified", "").strip(" \t")
    return field if field.isascii() and _moment(field) is not None else None
