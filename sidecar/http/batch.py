"""Many keys in one call: POST /v1/mget, /v1/mset, /v1/mdelete, in JSON or MessagePack.

In MessagePack a value is binary. In JSON it is a string where it is UTF-8, and base64 otherwise, as
`encoding` says. Nothing here is a snapshot: each key is looked up or written by itself.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any, TypeVar

import msgspec

from sidecar.http.conditions import MAX_TTL_SECONDS, etag, seconds_of
from sidecar.http.data import answered, content_type_of
from sidecar.http.messages import Reply, Request
from sidecar.http.problems import ProblemError
from sidecar.model.clock import Clock
from sidecar.model.entry import DEFAULT_CONTENT_TYPE, Hit, join, name_error
from sidecar.store.store import Store

MAX_KEYS = 1000
BODY_BYTES = 32 << 20
REPLY_BYTES = 32 << 20
"""What the values of one mget may come to; keys beyond it are named in `left`."""
AT_ONCE = 64
"""Keys of one call that are under way together: about what one frame to L3 takes."""

MESSAGEPACK = ("application/msgpack", "application/vnd.msgpack", "application/x-msgpack")
JSON = "application/json"
CURL_DEFAULT = "application/x-www-form-urlencoded"
"""What `curl -d` calls whatever it sends."""


class Keys(msgspec.Struct, forbid_unknown_fields=True):
    """The body of mget and mdelete."""

    namespace: str
    keys: list[Any]  # strings, or in MessagePack binary


class NewEntry(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of mset. `ttl` in seconds, or "never"; absent: the default."""

    key: Any
    value: Any
    encoding: str = "utf-8"
    content_type: str = DEFAULT_CONTENT_TYPE
    ttl: float | str | None = None


class Entries(msgspec.Struct, forbid_unknown_fields=True):
    """The body of mset."""

    namespace: str
    entries: list[NewEntry]


Body = TypeVar("Body")
_encode_json = msgspec.json.Encoder().encode
_encode_messagepack = msgspec.msgpack.Encoder().encode


class BatchApi:
    """The three calls."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def mget(self, request: Request) -> Reply:
        body = await decoded(request, Keys)
        names = _names(body.namespace, body.keys)
        as_json = wants_json(request)
        found: list[dict[str, Any]] = []
        missing: list[Any] = []
        size = 0
        for start in range(0, len(names), AT_ONCE):
            if size > REPLY_BYTES:
                left = body.keys[start:]
                return encoded(as_json, {"entries": found, "missing": missing, "left": left})
            batch = names[start : start + AT_ONCE]
            hits = await asyncio.gather(*(self._store.get(name) for name in batch))
            for key, hit in zip(body.keys[start:], hits, strict=False):
                if hit is None:
                    missing.append(key)
                else:
                    size += len(hit.value)
                    found.append(self._described(key, hit, as_json=as_json))
        return encoded(as_json, {"entries": found, "missing": missing, "left": []})

    async def mset(self, request: Request) -> Reply:
        body = await decoded(request, Entries)
        names = _names(body.namespace, [entry.key for entry in body.entries])
        values = [_value(entry) for entry in body.entries]
        limit = self._store.config.max_value_bytes
        for entry, value in zip(body.entries, values, strict=True):
            if len(value) > limit:
                raise ProblemError(413, f"The value of {entry.key!r} exceeds {limit:,} bytes.")
        default = self._store.config.default_ttl_seconds
        ttls = [_ttl(entry, default) for entry in body.entries]
        types = [content_type_of(entry.content_type) for entry in body.entries]
        puts = list(zip(names, values, types, ttls, strict=True))
        results = []
        for start in range(0, len(puts), AT_ONCE):
            batch = puts[start : start + AT_ONCE]
            results += await _outcomes([self._store.put(*put) for put in batch], "the value")
        return encoded(wants_json(request), {"entries": _answers(body.entries, results)})

    async def mdelete(self, request: Request) -> Reply:
        body = await decoded(request, Keys)
        names = _names(body.namespace, body.keys)
        results = []
        for start in range(0, len(names), AT_ONCE):
            batch = names[start : start + AT_ONCE]
            results += await _outcomes([self._store.delete(name) for name in batch], "the deletion")
        entries = [{"key": key, **result} for key, result in zip(body.keys, results, strict=True)]
        for entry in entries:
            if entry["status"] == 201:  # nothing was there
                entry["status"] = 404
        return encoded(wants_json(request), {"entries": entries})

    def _described(self, key: Any, hit: Hit, *, as_json: bool) -> dict[str, Any]:
        entry = hit.entry
        now = self._clock()
        left = entry.expires_at - now
        described: dict[str, Any] = {
            "key": key,
            "value": hit.value,
            "content_type": entry.content_type,
            "etag": etag(entry),
            "age": max(0, int(now - entry.created_at)),
            "ttl": max(0, int(left)) if left < MAX_TTL_SECONDS else None,
            "tier": hit.tier,
        }
        if as_json:
            described["value"], described["encoding"] = _as_text(hit.value)
        return described


async def decoded(request: Request, shape: type[Body]) -> Body:
    """The body as `shape`. Raises ProblemError: 400 says what is wrong, 415 what is possible."""
    content_type = request.headers.get("Content-Type", JSON).partition(";")[0].strip().lower()
    body = await request.body(BODY_BYTES)
    try:
        if content_type in MESSAGEPACK:
            return msgspec.msgpack.decode(body, type=shape)
        if content_type in (JSON, CURL_DEFAULT):
            return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, f"The body can't be used: {error}.") from None
    raise ProblemError(415, f"The body is {JSON} or {MESSAGEPACK[0]}, not {content_type}.")


def encoded(as_json: bool, answer: Any, status: int = 200) -> Reply:
    if as_json:
        return Reply(status, f"Content-Type: {JSON}\r\n", _encode_json(answer))
    return Reply(status, f"Content-Type: {MESSAGEPACK[0]}\r\n", _encode_messagepack(answer))


def wants_json(request: Request) -> bool:
    """MessagePack where Accept names it, or where it was sent and Accept does not say."""
    accept = request.headers.get("Accept", "*/*")
    if any(name in accept for name in MESSAGEPACK):
        return False
    sent = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return not (sent in MESSAGEPACK and "*/*" in accept)


def _names(namespace: str, keys: list[Any]) -> list[bytes]:
    if len(keys) > MAX_KEYS:
        raise ProblemError(400, f"One call takes {MAX_KEYS} keys at most; this has {len(keys)}.")
    raw = [_bytes_of(key, "A key") for key in keys]
    for key in raw or [b"-"]:  # an empty list of keys has a namespace all the same
        wrong = name_error(namespace.encode("utf-8", "surrogatepass"), key)
        if wrong is not None:
            raise ProblemError(400, wrong)
    return [join(namespace, key) for key in raw]


def _value(entry: NewEntry) -> bytes:
    if isinstance(entry.value, bytes) or entry.encoding == "utf-8":
        return _bytes_of(entry.value, "A value")
    if entry.encoding == "base64":
        try:
            return base64.b64decode(entry.value, validate=True)
        except ValueError:
            raise ProblemError(400, f"The value of {entry.key!r} is not base64.") from None
    raise ProblemError(400, "encoding is utf-8 or base64.")


def _ttl(entry: NewEntry, default: float) -> float:
    return default if entry.ttl is None else seconds_of(str(entry.ttl))


def _bytes_of(text: Any, what: str) -> bytes:
    if isinstance(text, str):
        return text.encode("utf-8", "surrogatepass")
    if isinstance(text, bytes):
        return text
    raise ProblemError(400, f"{what} is a string, or binary in MessagePack.")


async def _outcomes(writes: list[Any], what: str) -> list[dict[str, Any]]:
    """What each write came to: a status as a single PUT would have, and a sentence on errors."""

    async def outcome(write: Any) -> dict[str, Any]:
        try:
            written = await answered(write, what)
        except ProblemError as problem:
            return {"status": problem.status, "detail": problem.detail}
        result: dict[str, Any] = {"status": 204 if written.replaced else 201}
        if written.entry is not None:
            result["etag"] = etag(written.entry)
        return result

    return list(await asyncio.gather(*map(outcome, writes)))


def _answers(entries: list[NewEntry], results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"key": entry.key, **result} for entry, result in zip(entries, results, strict=True)]


def _as_text(value: bytes) -> tuple[str, str]:
    try:
        return value.decode(), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(value).decode(), "base64"
