"""The route table: every path of the data API, of the console and of the ops API.

To add a route, write its handler, and its entry here. Dispatch, the parsing of its parameters,
`/openapi.json`, the value of the `operation` label and `Allow` come from it. Errors that every
operation of a kind may answer are added by `openapi`; an entry has only those of its own. The file
has more than 300 lines because it is one table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import replace

from sidecar.api import answers, entries, state, warming
from sidecar.http.admin import AdminApi, HotQuery, KeysQuery
from sidecar.http.batch import BatchApi
from sidecar.http.bodies import MESSAGEPACK
from sidecar.http.console import Console
from sidecar.http.data import PREFIX, EntryApi
from sidecar.http.openapi import Description, problem
from sidecar.http.ops import OpsApi
from sidecar.http.optimizer import OptimizerApi, RunQuery
from sidecar.http.queries import CountQuery, GetQuery, PutQuery, TouchQuery
from sidecar.http.routing import Answer, Body, Header, Route
from sidecar.http.signals import SignalsApi, SignalsQuery
from sidecar.http.warming import FOLDER, RUN, WarmingApi
from sidecar.model.entry import MAX_KEY_BYTES


class DataApi(Struct, frozen=True, kw_only=True):
    """What serves the data API and the console."""

    entries: EntryApi
    batch: BatchApi
    admin: AdminApi
    optimizer: OptimizerApi
    signals: SignalsApi
    warming: WarmingApi
    console: Console
    description: Description


def operation_names(routes: Iterable[Route[Any]]) -> set[str]:
    """The values that the `operation` label may have, but for `unknown`."""
    return {route.operation for route in routes}


# ---- one entry

EntityTags = Annotated[
    str | UnsetType,
    Meta(
        description="An ETag in its double quotes. Several, separated by commas, and `*` are "
        "possible too.",
        examples=['"65f00d"'],
        extra_json_schema={"pattern": '^"[0-9a-f]{1,16}(-(zstd|gzip))?"$'},
    ),
]


class EntryPath(Struct):
    """What names an entry."""

    namespace: entries.Namespace
    key: Annotated[
        str,
        Meta(
            description=f"1 to {MAX_KEY_BYTES:,} bytes, percent-encoded; slashes are allowed.",
            min_length=1,
            max_length=MAX_KEY_BYTES,
        ),
    ]


class Conditions(Struct):
    """The headers of a conditional request (RFC 9110, section 13)."""

    if_none_match: EntityTags = field(default=UNSET, name="If-None-Match")
    if_match: EntityTags = field(default=UNSET, name="If-Match")


class HeadHeaders(Conditions):
    """The headers of a HEAD."""

    accept_encoding: Annotated[
        str | UnsetType,
        Meta(
            description="`zstd`, `gzip` and `identity`, with weights. Other codings, and a field "
            "that is no list of codings, are ignored.",
            examples=["zstd, gzip;q=0.5"],
        ),
    ] = field(default=UNSET, name="Accept-Encoding")


class GetHeaders(HeadHeaders):
    """The headers of a GET."""

    range: Annotated[
        str | UnsetType,
        Meta(
            description="`bytes=0-99`, `bytes=100-` or `bytes=-100`; several ranges are ignored.",
            examples=["bytes=0-"],
        ),
    ] = field(default=UNSET, name="Range")
    cache_control: Annotated[
        str | UnsetType,
        Meta(
            description="`max-stale`, or `stale-if-error`: a value that its `stale-if-error` allows"
            " to serve is an answer. Other directives are ignored.",
            examples=["max-stale"],
        ),
    ] = field(default=UNSET, name="Cache-Control")
    if_range: Annotated[
        str | UnsetType,
        Meta(
            description="The ETag of the version of which the client has a part: the whole value "
            "is sent if it is another one now.",
            examples=['"65f00d"'],
        ),
    ] = field(default=UNSET, name="If-Range")


class LifeHeaders(Conditions):
    """The headers that state a life."""

    cache_control: Annotated[
        str | UnsetType,
        Meta(
            description="`max-age=60`. With `no-store` the value is refused; for a PUT see also "
            "`stale-while-revalidate` and `stale-if-error`; other directives are ignored.",
            examples=["max-age=60"],
        ),
    ] = field(default=UNSET, name="Cache-Control")
    expires: Annotated[
        str | UnsetType,
        Meta(
            description="The time until which the entry lives, if there is no max-age.",
            examples=["Wed, 21 Oct 2099 07:28:00 GMT"],
        ),
    ] = field(default=UNSET, name="Expires")


class PutHeaders(LifeHeaders):
    """The headers of a PUT."""

    cache_groups: Annotated[
        str | UnsetType,
        Meta(
            description="RFC 9875: tags, in double quotes, by which the entry can be invalidated; "
            "or `Cache-Tag`, without quotes.",
            examples=['"user-7", "front"'],
            extra_json_schema={"pattern": '^"[a-z0-9-]{1,128}"(, "[a-z0-9-]{1,128}"){0,31}$'},
        ),
    ] = field(default=UNSET, name="Cache-Groups")

    cache_lease: Annotated[
        str | UnsetType,
        Meta(
            description="The token that a GET with `lease` has got. 412 if the lease has ended.",
            # One that is held comes only from a GET.
            extra_json_schema={"const": ""},
        ),
    ] = field(default=UNSET, name="Cache-Lease")


class DeleteHeaders(Conditions):
    """The headers of a DELETE."""

    prefer: Annotated[
        str | UnsetType,
        Meta(
            description="`return=representation` (RFC 7240): answer with the value.",
            examples=["return=representation"],
        ),
    ] = field(default=UNSET, name="Prefer")


ETAG = Header("The version, unique for each write; in a coding, `-zstd` or `-gzip` is added.")
MISS = Header("`cache-sidecar; fwd=miss`")
LEASE = Header("With `lease`: the token with which to put the value.", required=False)
ENTRY_HEADERS = {
    "ETag": ETAG,
    "Age": Header("Seconds since it was written."),
    "Cache-Control": Header("`no-cache`: a client's own cache has to ask again."),
    "Cache-Status": Header(
        description="`cache-sidecar; hit; ttl=53; detail=l1`: the seconds left, negative if it is "
        "stale, and the tier."
    ),
    "Cache-Groups": Header("Its tags, if it has some.", required=False),
}
VARY = Header("`Accept-Encoding`, if the value may be coded.", required=False)
READ_HEADERS = ENTRY_HEADERS | {"Vary": VARY}
STORED_HEADERS = {
    "ETag": ETAG,
    "Cache-Status": Header("RFC 9211: where it was stored.", required=False),
}
WHOLE = Answer(
    200,
    "The value, with the Content-Type that it was put with.",
    Any,
    media_types=("*/*",),
    headers=READ_HEADERS
    | {"Content-Encoding": Header("`zstd` or `gzip`, if it is coded.", required=False)},
)
NO_VALUE = (
    Answer(
        304,
        "The version that If-None-Match names is in force.",
        headers=READ_HEADERS,
    ),
    problem(404, "There is no such entry.", Cache_Status=MISS, Cache_Lease=LEASE),
    problem(
        406,
        "`Accept-Encoding` excludes every coding that there is.",
        Vary=Header("`Accept-Encoding`"),
    ),
    problem(412, "The version in force is not one that If-Match names."),
)
NOT_HELD = problem(412, "The condition does not hold; nothing was changed.")

ENTRY_PATH = f"{PREFIX}{{namespace}}/{{key}}"

GET_ENTRY = Route[DataApi](
    "GET",
    ENTRY_PATH,
    path_parameters=EntryPath,
    operation="get",
    id="getEntry",
    summary="Look an entry up",
    handler=lambda api: api.entries.get,
    query=GetQuery,
    headers=GetHeaders,
    answers=(
        WHOLE,
        Answer(
            206,
            "The part of the value that `Range` asks for.",
            Any,
            media_types=("*/*",),
            headers=READ_HEADERS
            | {
                "Content-Range": Header("`bytes 0-99/1234`"),
                "Accept-Ranges": Header("`bytes`"),
            },
        ),
        *NO_VALUE,
        problem(
            416,
            "`Range` begins behind the end of the value.",
            Content_Range=Header("`bytes */1234`: the bytes of the value."),
        ),
    ),
    waits=lambda api: api.entries.is_not_in_memory,
)
ENTRIES = (
    GET_ENTRY,
    replace(
        GET_ENTRY,
        method="HEAD",
        operation="head",
        id="headEntry",
        summary="Look an entry up, without its value",
        handler=lambda api: api.entries.head,
        query=None,
        headers=HeadHeaders,
        answers=(WHOLE, *NO_VALUE),
    ),
    Route[DataApi](
        "PUT",
        ENTRY_PATH,
        path_parameters=EntryPath,
        operation="put",
        id="putEntry",
        summary="Store a value",
        description="Answered when it is as durable as `durability` asks. `?ttl=` comes before "
        "Cache-Control: max-age, that before Expires, and that before `default_ttl`.",
        handler=lambda api: api.entries.put,
        query=PutQuery,
        headers=PutHeaders,
        body=Body(
            shape=Annotated[str, Meta(extra_json_schema={"format": "binary"})],
            media_types=("application/octet-stream",),
            description="The value, of any type.",
            required=False,
        ),
        answers=(
            Answer(
                201,
                "The entry was created.",
                headers=STORED_HEADERS,
            ),
            Answer(
                204,
                "It replaced another, or `durability` is `memory`.",
                headers=STORED_HEADERS,
            ),
            NOT_HELD,
        ),
        waits=True,
    ),
    Route[DataApi](
        "PATCH",
        ENTRY_PATH,
        path_parameters=EntryPath,
        operation="touch",
        id="touchEntry",
        summary="Give an entry another lifetime",
        description="The value stays. It is a new version, with an ETag of its own. The lifetime "
        "is stated as for a PUT.",
        handler=lambda api: api.entries.touch,
        query=TouchQuery,
        headers=LifeHeaders,
        answers=(
            Answer(204, "The entry lives on.", headers=STORED_HEADERS),
            problem(404, "There is no such entry.", Cache_Status=MISS),
            NOT_HELD,
        ),
        waits=True,
    ),
    Route[DataApi](
        "POST",
        ENTRY_PATH,
        path_parameters=EntryPath,
        operation="count",
        id="countEntry",
        summary="Add to a counter",
        description="Atomic. The value is an integer of 64 bits in decimal digits. A counter that "
        "is there keeps what it has left to live.",
        handler=lambda api: api.entries.count,
        query=CountQuery,
        headers=LifeHeaders,
        answers=(
            Answer(
                200,
                "What it is now; or `durability` is `memory`.",
                Any,
                media_types=("*/*",),
                headers=STORED_HEADERS,
            ),
            Answer(
                201,
                "The counter was created; this is what it is now.",
                Any,
                media_types=("*/*",),
                headers=STORED_HEADERS,
            ),
            problem(409, "It would leave `min` to `max` or 64 bits, or the value is no number."),
            NOT_HELD,
        ),
        waits=True,
    ),
    Route[DataApi](
        "DELETE",
        ENTRY_PATH,
        path_parameters=EntryPath,
        operation="delete",
        id="deleteEntry",
        summary="Delete an entry",
        handler=lambda api: api.entries.delete,
        headers=DeleteHeaders,
        answers=(
            Answer(
                200,
                "The entry was deleted; this is the value that it had.",
                Any,
                media_types=("*/*",),
                headers=ENTRY_HEADERS | {"Preference-Applied": Header("`return=representation`")},
            ),
            Answer(204, "The entry was deleted."),
            problem(404, "There was no such entry.", Cache_Status=MISS),
            NOT_HELD,
        ),
        waits=True,
    ),
)


# ---- many entries

BOTH = ("application/json", MESSAGEPACK)
KEYS = Body(shape=entries.Keys, example={"namespace": "demo", "keys": ["a", "b"]})
WRITTEN = Answer(200, "The result for each key.", entries.Written, media_types=BOTH)
EITHER = {
    "oneOf": [{"required": [each]} for each in ("tags", "prefix", "all")],
    "dependentRequired": {"soft": ["tags"]},
}

MANY = (
    Route[DataApi](
        "POST",
        "/v1/mget",
        operation="mget",
        id="mget",
        summary="Look many keys up",
        description="Not a snapshot: each key is looked up by itself.",
        handler=lambda api: api.batch.mget,
        body=KEYS,
        answers=(
            Answer(
                200,
                "The result for each key.",
                entries.Found,
                media_types=BOTH,
            ),
        ),
        waits=True,
    ),
    Route[DataApi](
        "POST",
        "/v1/mset",
        operation="mset",
        id="mset",
        summary="Store many values",
        handler=lambda api: api.batch.mset,
        body=Body(
            shape=entries.NewEntries,
            example={
                "namespace": "demo",
                "entries": [{"key": "a", "value": "1", "ttl": 60}],
            },
        ),
        answers=(WRITTEN,),
        waits=True,
    ),
    Route[DataApi](
        "POST",
        "/v1/mdelete",
        operation="mdelete",
        id="mdelete",
        summary="Delete many entries",
        handler=lambda api: api.batch.mdelete,
        body=KEYS,
        answers=(WRITTEN,),
        waits=True,
    ),
    Route[DataApi](
        "POST",
        "/v1/invalidate",
        operation="invalidate",
        id="invalidate",
        summary="Invalidate tags, all keys with a prefix, or a whole namespace",
        description="Exact at once for every read, however many entries it covers; their "
        "space is reclaimed later.",
        handler=lambda api: api.admin.invalidate,
        body=Body(
            shape=Annotated[entries.Scope, Meta(extra_json_schema=EITHER)],
            example={"namespace": "demo", "tags": ["user-7"]},
        ),
        answers=(Answer(204, "No read returns them any more."),),
        waits=True,
    ),
    Route[DataApi](
        "GET",
        "/v1/keys",
        operation="keys",
        id="listKeys",
        summary="A page of keys",
        description="Not a snapshot. A page may be short or empty: continue until `cursor` "
        "is null.",
        handler=lambda api: api.admin.keys,
        query=KeysQuery,
        answers=(Answer(200, "A page.", entries.Page),),
        waits=True,
    ),
)


# ---- what the cache tells of itself; none of it is shed

SHOWN = (
    Route[DataApi](
        "GET",
        "/v1/stats",
        operation="stats",
        id="stats",
        summary="What the cache holds and has done",
        handler=lambda api: api.admin.stats,
        answers=(Answer(200, "Counters since the start.", state.Stats),),
    ),
    Route[DataApi](
        "GET",
        "/v1/hot",
        operation="hot",
        id="hot",
        summary="The keys that are read most",
        description="Estimated from samples, in bounded memory: a key that is read seldom may be "
        "missing, and one that was deleted stays for a minute or two.",
        handler=lambda api: api.admin.hot,
        query=HotQuery,
        answers=(Answer(200, "The first one is read most.", entries.HotKeys),),
    ),
    Route[DataApi](
        "GET",
        "/v1/config",
        operation="config",
        id="config",
        summary="The configuration in force, and the last one that was rejected",
        handler=lambda api: api.admin.config,
        answers=(
            Answer(
                200,
                "The document and where it came from.",
                state.Configuration,
            ),
        ),
    ),
    Route[DataApi](
        "GET",
        "/v1/optimizer",
        operation="optimizer",
        id="optimizer",
        summary="The state of the optimizer",
        description="The level, the current trial, the state of every rule, every knob, "
        "every signal now.",
        handler=lambda api: api.optimizer.overview,
        answers=(Answer(200, "As of now.", answers.Overview),),
    ),
    Route[DataApi](
        "GET",
        "/v1/optimizer/rules",
        operation="optimizer",
        id="optimizerRules",
        summary="Every rule, and what an evaluation now would find",
        description="In the order of evaluation. Nothing is changed.",
        handler=lambda api: api.optimizer.rules,
        answers=(
            Answer(
                200,
                "The rules of the document in force.",
                answers.Rules,
            ),
        ),
    ),
    Route[DataApi](
        "GET",
        "/v1/optimizer/outcomes",
        operation="optimizer",
        id="optimizerOutcomes",
        summary="Changes and their outcomes",
        description="The last 500, including those before a restart.",
        handler=lambda api: api.optimizer.outcomes,
        answers=(Answer(200, "The newest first.", answers.Outcomes),),
    ),
    Route[DataApi](
        "POST",
        "/v1/optimizer/run",
        operation="optimizer",
        id="optimizerRun",
        summary="Evaluate all rules now",
        description="As the optimizer does every `interval_seconds` by itself: the first "
        "rule that nothing prevents makes its change. With `dry_run=true` nothing is "
        "changed, and every rule states whether it would fire and why.",
        handler=lambda api: api.optimizer.run,
        query=RunQuery,
        answers=(
            Answer(
                200,
                "The rules as found, and what was decided then.",
                answers.Run,
            ),
        ),
    ),
    Route[DataApi](
        "POST",
        "/v1/optimizer/reset",
        operation="optimizer",
        id="optimizerReset",
        summary="Discard the changes that were kept",
        description="Every knob returns to its configured value, cooldowns end, and a "
        "current trial is interrupted. Recorded outcomes stay.",
        handler=lambda api: api.optimizer.reset,
        answers=(Answer(204, "Only configured values are in force."),),
    ),
    Route[DataApi](
        "GET",
        "/v1/signals",
        operation="signals",
        id="signals",
        summary="Signals over the last hour",
        handler=lambda api: api.signals.course,
        query=SignalsQuery,
        answers=(Answer(200, "The steps that have ended.", answers.Course),),
    ),
    Route[DataApi](
        "GET",
        "/openapi.json",
        operation="openapi",
        id="openapi",
        summary="This description",
        handler=lambda api: api.description.get,
        answers=(Answer(200, "OpenAPI 3.1.", dict[str, Any]),),
    ),
)


# ---- warmers


class WarmerPath(Struct):
    """What names a warmer."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,63}$")]


NO_WARMER = problem(404, "There is no such warmer.")

WARMING = (
    Route[DataApi](
        "GET",
        "/v1/warmers",
        operation="warmers",
        id="warmers",
        summary="The warmers, and what their runs do",
        handler=lambda api: api.warming.overview,
        answers=(Answer(200, "In the order of the document.", warming.WarmerStates),),
    ),
    Route[DataApi](
        "POST",
        f"{FOLDER}{{name}}{RUN}",
        operation="warmers",
        id="runWarmer",
        summary="Run a warmer now",
        description="Answered at once; GET /v1/warmers shows the progress.",
        handler=lambda api: api.warming.start,
        path_parameters=WarmerPath,
        answers=(
            Answer(202, "It has begun, or waits for others.", warming.WarmerState),
            NO_WARMER,
            problem(409, "It is running."),
        ),
    ),
    Route[DataApi](
        "DELETE",
        f"{FOLDER}{{name}}{RUN}",
        operation="warmers",
        id="cancelWarmer",
        summary="Cancel the run of a warmer",
        description="What it has loaded stays.",
        handler=lambda api: api.warming.cancel,
        path_parameters=WarmerPath,
        answers=(
            Answer(204, "The run has ended, or ends once its volume answers."),
            NO_WARMER,
            problem(409, "It is not running."),
        ),
    ),
)


# ---- the console


class FilePath(Struct):
    """What names a file of the console."""

    file: Annotated[str, Meta(pattern=r"^[a-z]+\.(css|js|svg)$")]


class KnownVersions(Struct):
    """The header of a browser that has a file already."""

    if_none_match: Annotated[
        str | UnsetType, Meta(description="ETags of the versions that the browser has.")
    ] = field(default=UNSET, name="If-None-Match")


NOT_MODIFIED = Answer(304, "The version is one of those.")

CONSOLE = (
    Route[DataApi](
        "GET",
        "/",
        operation="console",
        needs_token=False,  # it holds no data
        id="console",
        summary="The console, a page for people",
        handler=lambda api: api.console.page,
        headers=KnownVersions,
        answers=(
            Answer(200, "HTML.", str, media_types=("text/html",)),
            NOT_MODIFIED,
        ),
    ),
    Route[DataApi](
        "GET",
        "/console/{file}",
        operation="console",
        needs_token=False,  # it holds no data
        id="consoleFile",
        summary="A file of the console",
        handler=lambda api: api.console.file,
        headers=KnownVersions,
        answers=(
            Answer(
                200,
                "A style sheet, a script or a picture.",
                str,
                media_types=("text/css", "text/javascript", "image/svg+xml"),
            ),
            NOT_MODIFIED,
            problem(404, "There is no such file."),
        ),
        path_parameters=FilePath,
    ),
)

DATA = (*ENTRIES, *MANY, *SHOWN, *WARMING, *CONSOLE)
"""The data API with the console. Entries are first, since most requests are for them."""


# ---- the ops API

OPS = (
    Route[OpsApi](
        "GET",
        "/metrics",
        operation="metrics",
        needs_token=False,
        id="metrics",
        summary="Metrics for Prometheus",
        handler=lambda api: api.metrics,
        answers=(
            Answer(
                200,
                "In the exposition format that Accept prefers.",
                str,
                media_types=("text/plain", "application/openmetrics-text"),
            ),
        ),
    ),
    Route[OpsApi](
        "GET",
        "/livez",
        operation="livez",
        needs_token=False,
        id="livez",
        summary="Whether the process works",
        handler=lambda api: api.livez,
        answers=(
            Answer(
                200,
                "The event loop answers.",
                str,
                media_types=("text/plain",),
            ),
        ),
    ),
    Route[OpsApi](
        "GET",
        "/readyz",
        operation="readyz",
        needs_token=False,
        id="readyz",
        summary="Whether traffic should come here",
        handler=lambda api: api.readyz,
        answers=(
            Answer(200, "It is ready.", state.Readiness),
            Answer(503, "It is not ready.", state.Readiness),
        ),
    ),
)
