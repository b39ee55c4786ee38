"""The life, the size and the media type of an entry, as any protocol may state them."""

from __future__ import annotations

import math
import re
import sys
from functools import lru_cache
from typing import Final

from sidecar.api.errors import InvalidRequestError, TooLargeError

MAX_TTL_SECONDS = 10 * 31_536_000
"""Ten years; what lives longer has to be put as `never`."""
KEEP: Final = "keep"
"""In place of a life: the value expires when the one does that it replaces."""
MAX_CONTENT_TYPE = 255
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
MEDIA_TYPE_PATTERN = rf"{_WORD}/{_WORD}(?:[ \t]*;[\t -~]*)?"
_MEDIA_TYPE = re.compile(MEDIA_TYPE_PATTERN)
_DECIMAL = frozenset("0123456789.eE+-")
"""Python reads more as a number than others do: 1_0, digits of every script, nan."""


def seconds_of(
    text: str, name: str = "ttl", *, never: bool = True, most: int = MAX_TTL_SECONDS
) -> float:
    """Seconds as a number, or `never` for a life. Raises InvalidRequestError."""
    if never and text == "never":
        return math.inf
    try:
        seconds = float(text) if _DECIMAL.issuperset(text) else -1.0
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= most:
        or_never = ", or never" if never else ""
        raise InvalidRequestError(
            f"{name} takes seconds from 0 to {most}{or_never}: {name}={min(60, most)}."
        )
    return seconds


def life_of(stated: float | str | None, default: float) -> float:
    """The life in seconds of a value whose request states one, `never`, KEEP, or none."""
    if stated is None or stated == KEEP:
        return default
    return math.inf if isinstance(stated, str) else stated


def check_size(size: int, most: int) -> None:
    """Raises TooLargeError for a value of more than `most` bytes."""
    if size > most:
        raise TooLargeError(f"A value may take {most:,} bytes.")


def seconds_left(expires_at: float, now: float) -> int | None:
    """The whole seconds that an entry has left, negative if it is stale; None where it does not
    expire.
    """
    left = expires_at - now
    return math.floor(left) if left < MAX_TTL_SECONDS else None


@lru_cache(maxsize=256)
def content_type_of(field: str) -> str:
    """The content type that an entry keeps (RFC 9110, section 8.3.1).

    Raises InvalidRequestError for anything else, since it is sent with every answer.
    """
    if len(field) > MAX_CONTENT_TYPE or not _MEDIA_TYPE.fullmatch(field):
        raise InvalidRequestError(
            f"Content-Type is type/subtype, up to {MAX_CONTENT_TYPE} ASCII characters."
        )
    return sys.intern(field)  # one object for all entries of a type
