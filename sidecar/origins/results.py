"""What an origin answered, as far as a cache can use it."""

from __future__ import annotations

import msgspec

from sidecar.origins.freshness import Freshness


class Fetched(msgspec.Struct, frozen=True, gc=False):
    """The value of the key, which may be stored."""

    value: bytes
    content_type: str
    freshness: Freshness


class NotModified(msgspec.Struct, frozen=True, gc=False):
    """The value that the validators name is the current one, with this freshness from now on
    (RFC 9111, section 4.3.4). It may no longer be stored if that says so.
    """

    freshness: Freshness


class Negative(msgspec.Struct, frozen=True, gc=False):
    """The origin has no value for the key. For 0 s, it is not to be remembered."""

    status: int
    ttl_seconds: float


class Unshareable(msgspec.Struct, frozen=True, gc=False):
    """A response for a single caller: it may not be stored, or says nothing about the key."""

    value: bytes
    content_type: str
    status: int


Result = Fetched | NotModified | Negative | Unshareable


class Validators(msgspec.Struct, frozen=True, gc=False):
    """What a stored value is revalidated with, as its response had it."""

    etag: str | None = None
    last_modified: str | None = None


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the namespace asks of a fetch; it may change while the sidecar runs."""

    default_ttl_seconds: float
    """The life of a value whose response states none."""
    kept_ttl_seconds: float | None = None
    """The same of one that has not been modified: that which the stored value had."""
    max_value_bytes: int
    validators: Validators = Validators()
