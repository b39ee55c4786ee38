"""Which codings of a value a client accepts: `Accept-Encoding` (RFC 9110, section 12.5.3)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from sidecar.http.fields import ACCEPT_ENCODING, RANGE, list_field

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    Headers = CIMultiDictProxy[str]

ZSTD: Final = "zstd"
GZIP: Final = "gzip"
IDENTITY: Final = "identity"
CODINGS: Final = (ZSTD, GZIP)
"""In the order of the sidecar's own preference: a value may be held as a zstd frame, and to make
one takes a fifth of the time of gzip."""
Accepted = tuple[str, ...]
"""The codings that a client accepts, IDENTITY among them; the one that it prefers comes first."""
ANY: Final[Accepted] = (IDENTITY, *CODINGS)
"""Without the field a client accepts all codings. It gets the value as it was put."""

_MEMBER = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)"
    r"(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)
_MEMBERS = re.compile(
    rf"[ \t]*(?:{_MEMBER.pattern}[ \t]*)?(?:,[ \t]*(?:{_MEMBER.pattern}[ \t]*)?)*"
)
"""RFC 9110, sections 5.6.1, 12.4.2 and 12.5.3."""
_LAST = 0.0005
"""The weight of `identity` where the field does not name it: below all that can be stated."""
_MOST_KNOWN = 64
"""Fields whose meaning is kept, of up to 8 KiB each. A client sends the same with each request."""


def accepted_by(headers: Headers, *, is_get: bool = True) -> Accepted:
    """The codings that a client accepts. A field that is no list of codings is ignored, as a range
    that is none is: every client understands the value as it was put.

    A GET with a range is answered with a part of the value as it was put, if the client accepts
    that. For HEAD, ranges mean nothing. Raises ProblemError: 431 for a field that is too long.
    """
    if ACCEPT_ENCODING not in headers:
        return ANY
    accepted = _parsed(list_field(headers, ACCEPT_ENCODING) or "")
    if is_get and RANGE in headers and IDENTITY in accepted:
        return (IDENTITY, *(coding for coding in accepted if coding != IDENTITY))
    return accepted


@lru_cache(_MOST_KNOWN)
def _parsed(field: str) -> Accepted:
    if not _MEMBERS.fullmatch(field):
        return ANY
    weights = {name.lower(): float(weight or 1) for name, weight in _MEMBER.findall(field)}
    others = weights.get("*", 0.0)
    of_gzip = weights.get(GZIP, weights.get("x-gzip", others))
    of_identity = weights.get(IDENTITY, weights.get("*", _LAST))
    ranked = {ZSTD: weights.get(ZSTD, others), GZIP: of_gzip, IDENTITY: of_identity}
    accepted = [coding for coding, weight in ranked.items() if weight]
    return tuple(sorted(accepted, key=ranked.__getitem__, reverse=True))
