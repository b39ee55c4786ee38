"""What calls about many entries send and get back, as shapes; docstrings are in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sidecar.api.terms import TAG_PATTERN
from sidecar.api.values import MAX_CONTENT_TYPE, MAX_TTL_SECONDS, MEDIA_TYPE_PATTERN
from sidecar.model.entry import DEFAULT_CONTENT_TYPE, MAX_KEY_BYTES, NAMESPACE_PATTERN, Tier
from sidecar.model.terms import MAX_TAGS

MAX_KEYS = 1000

Encoding = Literal["utf-8", "base64"]
# What the schemas state beyond the types is checked where names are checked for any protocol, with
# one sentence for all.
Namespace = Annotated[str, Meta(extra_json_schema={"pattern": f"^{NAMESPACE_PATTERN}$"})]
Key = Annotated[
    str,
    Meta(
        description=f"At most {MAX_KEY_BYTES:,} bytes in UTF-8; binary in MessagePack.",
        extra_json_schema={"minLength": 1, "maxLength": MAX_KEY_BYTES},
    ),
]
Prefix = Annotated[str, Meta(extra_json_schema={"maxLength": MAX_KEY_BYTES})]
Seconds = Annotated[float, Meta(ge=0, le=MAX_TTL_SECONDS)]
Ttl = Annotated[
    Seconds | Literal["never", "keep"] | None,
    Meta(
        description="Lifetime in seconds; null: the default of the configuration; `keep`: what the "
        "entry that it replaces has left."
    ),
]
SentKey = Annotated[Any, Meta(description="As it was sent.", extra_json_schema={"type": "string"})]
TtlLeft = Annotated[
    int | None,
    Meta(description="Seconds left, negative if it is stale; null: it does not expire."),
]
Path = Annotated[
    str | None,
    Meta(
        description="Where to GET it; null if a segment of it is `.` or `..`, so that only a "
        "batch reaches it, such as POST /v1/mget."
    ),
]
AsSent = Annotated[Any, Meta(extra_json_schema={"type": "string"})]
"""A string; in MessagePack it may be binary."""


Tag = Annotated[str, Meta(extra_json_schema={"pattern": TAG_PATTERN})]
Tags = Annotated[
    tuple[Tag, ...],
    Meta(description="What to invalidate it by.", extra_json_schema={"maxItems": MAX_TAGS}),
]
WhileRevalidate = Annotated[
    Seconds, Meta(description="Seconds after its lifetime in which it is served stale.")
]
IfError = Annotated[
    Seconds,
    Meta(description="The same for who has met an error: a GET with `Cache-Control: max-stale`."),
]
Sliding = Annotated[bool, Meta(description="Whether each hit gives it its lifetime anew.")]
MaxAge = Annotated[
    Seconds | None,
    Meta(
        description="With `sliding`: the seconds after which it expires in any case.",
        # No schema says that it may be there only if `sliding` is true.
        extra_json_schema={"const": None},
    ),
]


class Keys(Struct, forbid_unknown_fields=True):
    """The body of mget and mdelete."""

    namespace: Namespace
    keys: Annotated[list[Key], Meta(max_length=MAX_KEYS)]


class NewEntry(Struct, forbid_unknown_fields=True):
    """An entry of mset."""

    key: Key
    value: Annotated[str, Meta(description="Binary in MessagePack.")]
    encoding: Annotated[
        Encoding,
        Meta(
            description="`base64` is possible too, for values that are not text.",
            # No schema says that a value is base64 where this field says so.
            extra_json_schema={"const": "utf-8"},
        ),
    ] = "utf-8"
    content_type: Annotated[
        str,
        Meta(
            extra_json_schema={"maxLength": MAX_CONTENT_TYPE, "pattern": f"^{MEDIA_TYPE_PATTERN}$"}
        ),
    ] = DEFAULT_CONTENT_TYPE
    ttl: Ttl = None
    tags: Tags = ()
    stale_while_revalidate: WhileRevalidate = 0
    stale_if_error: IfError = 0
    sliding: Sliding = False
    max_age: MaxAge = None


class NewEntries(Struct, forbid_unknown_fields=True):
    """The body of mset."""

    namespace: Namespace
    entries: Annotated[list[NewEntry], Meta(max_length=MAX_KEYS)]


class FoundEntry(Struct, kw_only=True):
    """An entry of a namespace, with its value."""

    key: SentKey
    value: AsSent
    encoding: Encoding | UnsetType = UNSET
    content_type: str
    etag: str
    age: Annotated[int, Meta(description="Seconds since it was written.")]
    ttl: TtlLeft
    tier: Tier
    stale: Annotated[bool | UnsetType, Meta(description="True if its lifetime is over.")] = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET


class Found(Struct, kw_only=True):
    """What was found of each key."""

    entries: list[FoundEntry]
    missing: list[SentKey]
    left: Annotated[
        list[SentKey],
        Meta(
            description="Not looked up, since the answer is full or L3 did not answer in time; ask "
            "for them again."
        ),
    ]


class WrittenEntry(Struct, kw_only=True):
    """The result for one key."""

    key: SentKey
    status: Annotated[int, Meta(description="As a single PUT or DELETE would have answered.")]
    etag: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET


class Written(Struct):
    """The result for each key, in their order."""

    entries: list[WrittenEntry]


class Scope(Struct, forbid_unknown_fields=True):
    """What to invalidate: the entries with one of these tags, the keys with a prefix, or all of a
    namespace.
    """

    namespace: Namespace
    prefix: Prefix | UnsetType = UNSET
    all: Annotated[bool, Meta(extra_json_schema={"const": True})] = False
    tags: Annotated[
        tuple[Tag, ...] | UnsetType, Meta(extra_json_schema={"minItems": 1, "maxItems": MAX_KEYS})
    ] = UNSET
    soft: Annotated[
        bool | UnsetType,
        Meta(description="With `tags`: their entries are stale from now on, instead of gone."),
    ] = UNSET


class ListedKey(Struct, kw_only=True):
    """A key, and what is known of its entry."""

    key: str
    path: Path
    tier: Tier
    size: Annotated[int, Meta(description="Bytes, as that tier keeps it.")]
    ttl: TtlLeft


class HotKey(Struct, kw_only=True):
    """A key that is read often."""

    namespace: str
    key: str
    path: Path
    per_second: Annotated[float, Meta(description="Hits a second in the last minute, estimated.")]
    error_per_second: Annotated[
        float, Meta(description="By how much that may be too high, at the most.")
    ]


class HotKeys(Struct):
    """The keys that are read most, the first one most."""

    keys: list[HotKey]


class Page(Struct, kw_only=True):
    """A page of keys. It may be short or empty: continue until `cursor` is null."""

    keys: list[ListedKey]
    cursor: str | None
