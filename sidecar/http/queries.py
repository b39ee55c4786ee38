"""The queries of calls for one entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sidecar.api.entries import Seconds
from sidecar.api.errors import InvalidRequestError
from sidecar.api.integers import LEAST, MOST, integer_or_none
from sidecar.api.values import KEEP, seconds_of

Lifetime = Seconds | Literal["never"]


def _lifetime(text: str) -> Lifetime:
    return "never" if text == "never" else seconds_of(text)


def _lifetime_or_keep(text: str) -> Lifetime | Literal["keep"]:
    return KEEP if text == KEEP else _lifetime(text)


def _seconds_of(name: str) -> Callable[[str], float]:
    def read(text: str) -> float:
        return seconds_of(text, name, never=False)

    return read


def _integer(text: str) -> int:
    number = integer_or_none(text.encode("utf-8", "replace"))
    if number is None:
        raise InvalidRequestError(
            f"by, initial, min and max take whole numbers from {LEAST} to {MOST}: by=-1."
        )
    return number


class PutQuery(Struct, frozen=True):
    """The lifetime of an entry, if given in the query."""

    ttl: Annotated[
        Lifetime | Literal["keep"] | UnsetType,
        Meta(
            description="Its lifetime in seconds, or `never`; or `keep`: what the entry that it "
            "replaces has left.",
            extra={"read": _lifetime_or_keep},
        ),
    ] = UNSET
    sliding: Annotated[
        bool,
        Meta(description="Whether each hit gives it its lifetime anew."),
    ] = False
    max_age: Annotated[
        Seconds | UnsetType,
        Meta(
            description="With `sliding`: the seconds after which it expires in any case.",
            extra={"read": _seconds_of("max_age")},
        ),
    ] = UNSET


class TouchQuery(Struct, frozen=True):
    """The lifetime that an entry has from now on."""

    ttl: Annotated[
        Lifetime | UnsetType,
        Meta(description="Its lifetime in seconds, or `never`.", extra={"read": _lifetime}),
    ] = UNSET


Integer = Annotated[int, Meta(ge=LEAST, le=MOST)]


class CountQuery(TouchQuery, frozen=True):
    """What is added to a counter. The lifetime is that of one that is created."""

    by: Annotated[Integer, Meta(description="What is added.", extra={"read": _integer})] = 1
    initial: Annotated[
        Integer,
        Meta(description="What a counter begins with that is created.", extra={"read": _integer}),
    ] = 0
    min: Annotated[
        Integer, Meta(description="The least that it may become.", extra={"read": _integer})
    ] = LEAST
    max: Annotated[
        Integer, Meta(description="The most that it may become.", extra={"read": _integer})
    ] = MOST
