"""The queries of calls for one entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sidecar.api.entries import Seconds
from sidecar.api.errors import InvalidRequestError
from sidecar.api.integers import LEAST, MOST, integer_or_none
from sidecar.api.leases import LEASE_SECONDS, WAIT_SECONDS
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


def _up_to(name: str, most: int) -> Callable[[str], float]:
    def read(text: str) -> float:
        seconds = seconds_of(text, name, never=False, most=most)
        if name == "lease" and not seconds:
            raise InvalidRequestError(
                "A lease of 0 seconds has run out; send for example lease=10."
            )
        return seconds

    return read


def _integer(text: str) -> int:
    number = integer_or_none(text.encode("utf-8", "replace"))
    if number is None:
        raise InvalidRequestError(
            f"by, initial, min and max take whole numbers from {LEAST} to {MOST}: by=-1."
        )
    return number


class GetQuery(Struct, frozen=True):
    """Who loads a value that is missing or stale."""

    lease: Annotated[
        Annotated[float, Meta(gt=0, le=LEASE_SECONDS)] | UnsetType,
        Meta(
            description="Seconds. If the entry is missing or stale, the first one who asks gets "
            "`Cache-Lease`, to load the value and put it; others do not, until it has run out.",
            extra={"read": _up_to("lease", LEASE_SECONDS)},
        ),
    ] = UNSET
    wait: Annotated[
        Annotated[float, Meta(ge=0, le=WAIT_SECONDS)],
        Meta(
            description="With `lease`: seconds to wait while another one loads a missing value.",
            extra={"read": _up_to("wait", WAIT_SECONDS)},
        ),
    ] = 0.0
    bound: Annotated[
        bool,
        Meta(description="With `lease`: it ends with the connection."),
    ] = False


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
