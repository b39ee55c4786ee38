"""The terms of an entry, as any protocol may state them: tags, staleness, a life that slides."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from sidecar.api.errors import InvalidRequestError
from sidecar.api.values import MAX_TTL_SECONDS
from sidecar.model.terms import MAX_TAG_BYTES, MAX_TAGS, Terms, terms

_TAG = re.compile(rf"[!-~](?:[ -~]{{0,{MAX_TAG_BYTES - 2}}}[!-~])?")
TAG_PATTERN = f"^{_TAG.pattern}$"


def tags_of(stated: Iterable[str], most: int = MAX_TAGS) -> tuple[str, ...]:
    """These tags, each once. Raises InvalidRequestError."""
    tags = tuple(stated)
    if len(tags) > most:
        raise InvalidRequestError(f"There are {len(tags):,} tags; send at most {most:,}.")
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise InvalidRequestError(
                f"A tag is 1 to {MAX_TAG_BYTES} printable ASCII characters, without spaces at its"
                f" ends; {tag[:40]!r} is not."
            )
    return tuple(dict.fromkeys(tags))


def terms_of(
    namespace: str,
    life_seconds: float,
    *,
    tags: tuple[str, ...] = (),
    while_revalidate: float = 0.0,
    if_error: float = 0.0,
    sliding: bool = False,
    max_age: float | None = None,
) -> Terms | None:
    """The terms of an entry with this life; None if nothing is stated. Raises InvalidRequestError
    for terms that mean nothing together.
    """
    if not sliding:
        if max_age is not None:
            raise InvalidRequestError("max_age bounds a life that slides; send sliding=true too.")
        return terms(namespace, tags=tags, while_revalidate=while_revalidate, if_error=if_error)
    if math.isinf(life_seconds):
        raise InvalidRequestError("A life that slides has an end; state it: ttl=60.")
    return terms(
        namespace,
        tags=tags,
        while_revalidate=while_revalidate,
        if_error=if_error,
        sliding=life_seconds,
        max_age=MAX_TTL_SECONDS if max_age is None else max_age,
    )
