"""The life of a value, and how long it may be served after it: `Cache-Control` and `Expires` (RFC
9111, section 5.2 and 5.3), with RFC 5861.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from sidecar.api.errors import InvalidRequestError
from sidecar.api.values import MAX_TTL_SECONDS
from sidecar.http.fields import CACHE_CONTROL, EXPIRES, list_field

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    Headers = CIMultiDictProxy[str]

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_DIRECTIVE = re.compile(rf'({_WORD})(?:=({_WORD}|"(?:[^"\\]|\\.)*"))?')
_DIRECTIVES = re.compile(
    rf"[ \t]*(?:{_DIRECTIVE.pattern}[ \t]*)?(?:,[ \t]*(?:{_DIRECTIVE.pattern}[ \t]*)?)*"
)
"""RFC 9111, section 5.2, and RFC 9110, section 5.6.1."""
_STATE_IT = "To store it all the same, state its life: ?ttl=60."

_SERVES_STALE = {"max-stale", "stale-if-error"}


def ttl_of(headers: Headers, default: float, now: float) -> float:
    """The lifetime of a value in seconds: max-age, else what is left until Expires, else `default`
    (may be `inf`). Raises InvalidRequestError for a field that forbids to store the value, and for
    one that cannot be read or contradicts itself, since it may have meant to.

    Of the other directives, `no-cache` and `private` concern those who answer others with it.
    """
    if CACHE_CONTROL not in headers and EXPIRES not in headers:
        return default
    directives = _stated(headers)
    if "no-store" in directives:
        raise InvalidRequestError(
            f"Cache-Control: no-store forbids to store the value. {_STATE_IT}"
        )
    expires = headers.getall(EXPIRES, [])
    if len(expires) > 1:
        raise InvalidRequestError("There is more than one Expires field; send it once.")
    if "max-age" in directives:
        seconds = _seconds(directives, "max-age")
    elif expires:
        seconds = min(_moment(expires[0]) - now, MAX_TTL_SECONDS)
    else:
        return default
    if seconds <= 0:
        raise InvalidRequestError(f"The value has expired by its own header fields. {_STATE_IT}")
    return seconds


def states_grace(headers: Headers) -> bool:
    """Whether Cache-Control says that the value may be served stale."""
    return CACHE_CONTROL in headers and any(
        "stale-" in line.lower() for line in headers.getall(CACHE_CONTROL)
    )


def graces_of(headers: Headers) -> tuple[float, float]:
    """For how many seconds after its life the value may be served while it is revalidated, and if
    that fails (RFC 5861). Raises InvalidRequestError.
    """
    directives = _stated(headers)
    return (
        _seconds(directives, "stale-while-revalidate"),
        _seconds(directives, "stale-if-error"),
    )


def accepts_stale(headers: Headers) -> bool:
    """Whether the sender of a GET takes a value that may be served only after an error: it has met
    one (RFC 5861, section 4), or says so (RFC 9111, section 5.2.1.2).
    """
    return CACHE_CONTROL in headers and not _SERVES_STALE.isdisjoint(_stated(headers))


def reads_only_cache(headers: Headers) -> bool:
    """Whether the sender of a GET wants no answer of an origin (RFC 9111, section 5.2.1.7)."""
    return CACHE_CONTROL in headers and "only-if-cached" in _stated(headers)


def revalidates(headers: Headers) -> bool:
    """Whether a GET is to be answered with what the origin has now (section 5.2.1.4)."""
    return CACHE_CONTROL in headers and "no-cache" in _stated(headers)


def _seconds(directives: dict[str, list[str]], name: str) -> float:
    """The argument of a directive; 0 without it."""
    [digits, *others] = directives.get(name, ["0"])
    if others:
        raise InvalidRequestError(f"Cache-Control has more than one {name}; send it once.")
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidRequestError(f"Cache-Control: {name} takes whole seconds: {name}=60.")
    return float(min(int(digits[:12]), MAX_TTL_SECONDS))


def _stated(headers: Headers) -> dict[str, list[str]]:
    return _directives(list_field(headers, "Cache-Control") or "")


@lru_cache(maxsize=64)
def _directives(field: str) -> dict[str, list[str]]:
    """The arguments of each cache directive. Raises InvalidRequestError."""
    if not _DIRECTIVES.fullmatch(field):
        raise InvalidRequestError(
            "Cache-Control is a list of directives with commas between them, such as max-age=60."
        )
    found: dict[str, list[str]] = {}
    for name, argument in _DIRECTIVE.findall(field):
        found.setdefault(name.lower(), []).append(argument.strip('"'))
    return found


def _moment(date: str) -> float:
    """The time of an HTTP date, in seconds since the epoch; 0 if it is none, as in `Expires: 0`
    (RFC 9111, section 5.3). It is in GMT, also in the form of asctime, which has no zone.
    """
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
