"""Values, lives, deletions and conditions are the same over both protocols.

A state machine writes over one protocol, reads over either, and holds every answer against a dict.
Memory is so small that entries move between all tiers. Where L3 holds all of them, nothing may be
missing; where it does not, anything may be, and what is found is still what was written last.

More than 300 lines, since each operation stands beside what the model says of it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from sidecar.api.integers import LEAST, MOST, integer_or_none
from sidecar.config.knobs import Tuning
from sidecar.config.values import (
    CacheConfig,
    DiskTierConfig,
    MemoryTierConfig,
    TierConfig,
    TiersConfig,
)
from sidecar.model.entry import DEFAULT_CONTENT_TYPE
from sidecar.tiers import process
from tests.resp.both import Both, path_of
from tests.resp.model import OK, Beliefs, Parts, Run, State, Version, keys_of, run

EXAMPLES = int(os.environ.get("TRUTH_EXAMPLES", "60"))
MIB = 1 << 20
SPACES = [b"db0", b"db3", b"named"]
NAMES = [b"a", b"ab", b"b/c", "d é".encode()]
KEYS = [space + b"/" + name for space in SPACES for name in NAMES]
SCOPES = [(b"db0", b"a"), (b"db3", b""), (b"named", b""), (b"named", b"b/")]
DEFAULT_SECONDS = 3650
"""As all lives, 50 s off the steps of the clock: the child of L3 reckons with the time that really
passes between two frames."""
STEPS = [100.0, 1000.0]
KILLS_SELDOM = 3


class Part(NamedTuple):
    """One of several commands."""

    keys: list[bytes]
    model: Run


class Action(NamedTuple):
    """Something that a client does with some keys: how, and what the model says of it."""

    keys: list[bytes]
    perform: Callable[[], Awaitable[Any]]
    model: Run
    parts: tuple[Part, ...] = ()
    """What it consists of; a list of what each is answered is seen."""


# ---- what is drawn

keys = st.sampled_from(KEYS)
spaces = st.sampled_from(SPACES)
names = st.sampled_from(NAMES)
values = st.one_of(
    st.sampled_from([b"", b"7", b"-41", b"text"]),
    st.tuples(
        st.sampled_from([b"x", b"some words ", bytes(range(256))]),
        st.sampled_from([60, 1500, 9_000, 90_000]),
    ).map(lambda both: (both[0] * (both[1] // len(both[0]) + 1))[: both[1]]),
)
lives = st.sampled_from([None, "never", "keep", 50, 150, 1050])
new_lives = st.sampled_from([None, "never", 50, 150, 1050])
steps = st.sampled_from([-5, 0, 1, 1 << 62])
content_types = st.sampled_from([DEFAULT_CONTENT_TYPE, "text/plain", "image/x"])
conditions = st.sampled_from([None, None, None, "absent", "version", "version before", "any"])


def a(*parts: st.SearchStrategy[bytes] | bytes) -> st.SearchStrategy[Parts]:
    return st.tuples(*(st.just(each) if isinstance(each, bytes) else each for each in parts))


def with_one(
    command: st.SearchStrategy[Parts], *more: st.SearchStrategy[Parts]
) -> st.SearchStrategy[Parts]:
    return st.tuples(command, st.one_of(st.just(()), *more)).map(lambda both: both[0] + both[1])


def some(
    name: bytes, *each: st.SearchStrategy[bytes], max_size: int = 3
) -> st.SearchStrategy[Parts]:
    """A command of several different keys, each of which comes first in its part."""
    parts = st.lists(st.tuples(*each), min_size=1, max_size=max_size, unique_by=lambda p: p[0])
    return parts.map(lambda found: (name, *(word for part in found for word in part)))


seconds = st.sampled_from([b"50", b"150", b"1050"])
new_life = a(b"EX", seconds) | a(b"PX", st.sampled_from([b"50500", b"150500"]))
commands = st.one_of(
    a(b"GET", names),
    a(b"SET", names, values),
    with_one(
        a(b"SET", names, values),
        *(new_life, a(b"KEEPTTL"), a(b"NX"), a(b"XX"), a(b"GET"), a(b"NX", b"GET")),
        *(a(b"XX", b"EX", seconds), a(b"GET", b"KEEPTTL")),
    ),
    a(b"GETSET", names, values),
    a(b"GETDEL", names),
    with_one(a(b"GETEX", names), new_life, a(b"PERSIST")),
    some(b"MGET", names),
    some(b"MSET", names, values),
    some(b"MSETNX", names, values, max_size=2),
    a(b"INCRBY", names, st.sampled_from([b"1", b"-5"])),
    a(b"APPEND", names, values),
    a(b"SETRANGE", names, st.sampled_from([b"0", b"3", b"2000"]), values),
    a(b"STRLEN", names),
    a(b"GETRANGE", names, st.sampled_from([b"0", b"2"]), st.sampled_from([b"1", b"3000"])),
    some(b"DEL", names),
    some(b"EXISTS", names),
    a(b"PTTL", names),
    with_one(a(b"EXPIRE", names, seconds | st.just(b"-1")), *map(a, (b"NX", b"XX", b"GT", b"LT"))),
    a(b"PERSIST", names),
    a(st.sampled_from([b"RENAME", b"RENAMENX"]), names, names),
    with_one(a(b"COPY", names, names), a(b"REPLACE")),
)
scripts = st.lists(commands, min_size=1, max_size=8)


def of_lives(name: bytes) -> st.SearchStrategy[Parts]:
    """Commands that change a value, or when it expires."""
    key, set_ = st.just(name), a(b"SET", st.just(name), values)
    return st.one_of(
        with_one(set_, new_life, a(b"GET")),
        a(b"SET", key, values, b"KEEPTTL"),
        with_one(a(b"GETEX", key), new_life, a(b"PERSIST")),
        a(b"INCRBY", key, st.just(b"1")),
        a(st.sampled_from([b"APPEND", b"GETSET"]), key, values),
        a(b"SETRANGE", key, st.just(b"1"), values),
        with_one(a(b"EXPIRE", key, seconds), a(b"XX"), a(b"GT"), a(b"LT")),
        a(b"PERSIST", key),
        a(b"RENAME", key, names),
        a(b"COPY", key, names, st.just(b"REPLACE")),
    )


writes = st.one_of(a(b"SET", names, values), some(b"MSET", names, values), some(b"DEL", names))
"""Commands that do not read, so that they can be answered while L3 starts again."""


@st.composite
def configs(draw: st.DrawFn, *, may_forget: bool) -> tuple[CacheConfig, Tuning]:
    tuning = Tuning()
    l3_entries = 100_000
    if may_forget:
        l3_entries = draw(st.integers(2, 9))
        tuning = Tuning(l3_admission=draw(st.sampled_from(["every", "second"])))
    policies = st.sampled_from(["lru", "sieve", "s3fifo"])
    config = CacheConfig(
        tiers=TiersConfig(
            l1=TierConfig(
                enabled=draw(st.integers(0, 4)) > 0,
                max_entries=draw(st.integers(1, 4)),
                max_bytes=MIB,
                policy=draw(policies),
            ),
            l2=MemoryTierConfig(
                enabled=draw(st.integers(0, 4)) > 0,
                max_entries=draw(st.integers(1, 6)),
                max_bytes=MIB,
                policy=draw(policies),
                compression=draw(st.sampled_from(["zstd", "none"])),
            ),
            l3=DiskTierConfig(max_entries=l3_entries, max_bytes=256 * MIB, timeout_seconds=15.0),
        ),
        promote_after=draw(st.integers(1, 3)),
        default_ttl_seconds=DEFAULT_SECONDS,
        durability=draw(st.sampled_from(["process", "process", "memory", "disk"])),
    )
    return config, tuning


class OneTruth(RuleBasedStateMachine):
    """Clients of both protocols, time, a child of L3 that dies, and other configurations."""

    def __init__(self, both: Both, *, may_forget: bool) -> None:
        super().__init__()
        self.both = both
        self.beliefs = Beliefs(may_forget=may_forget)
        self.beliefs.now = both.now
        self.etags: dict[tuple[bytes, int], str] = {}
        """Of the versions of a key, by their numbers."""
        self.known_etags: defaultdict[bytes, list[str]] = defaultdict(list)
        self.is_loose = may_forget  # whether it is left open if a write has replaced something

    def do(self, action: Action, *, reads: bool = False) -> set[bytes]:
        """Do it, and check it; returns what may have changed, which is read again if wanted."""
        seen = self.both.run(_awaited(action.perform()))
        changed = self.explain(action, seen)
        self.check_etag()
        if reads:
            for key in sorted(changed):
                self.read_both(key)
        return changed

    def explain(self, action: Action, seen: Any) -> set[bytes]:
        """Of several commands, each may be followed by the loss of what it has written."""
        if not (action.parts and self.beliefs.may_forget):
            return self.beliefs.explain(action.keys, seen, action.model)
        assert len(seen) == len(action.parts)
        pairs = zip(action.parts, seen, strict=True)
        return set[bytes]().union(
            *(self.beliefs.explain(part.keys, reply, part.model) for part, reply in pairs)
        )

    def read_both(self, key: bytes) -> None:
        space, _, name = key.partition(b"/")
        self.do(self.of_resp(space, [(b"GET", name), (b"PTTL", name)]))
        self.do(self.of_get(key, "GET", None))

    # ---- actions of RESP

    def of_resp(
        self,
        space: bytes,
        script: list[Parts],
        *,
        in_transaction: bool = False,
        by_other: bool = False,
    ) -> Action:
        client = (self.both.other if by_other else self.both.resp)[space]

        async def perform() -> Any:
            if not in_transaction:
                return await client.ask(*script)
            *_, replies = await client.ask((b"MULTI",), *script, (b"EXEC",))
            return replies

        parts = [Part(keys_of(space, each), partial(_run, space, each)) for each in script]
        used = [key for part in parts for key in part.keys]
        return Action(
            used, perform, lambda state: [part.model(state) for part in parts], tuple(parts)
        )

    # ---- actions of HTTP

    def of_put(
        self,
        key: bytes,
        value: bytes,
        life: int | str | None,
        content_type: str,
        condition: str | None,
    ) -> Action:
        query, headers = _life(life)
        headers["Content-Type"] = content_type
        name, tag = self._condition(key, condition)
        if name:
            headers[name] = tag

        async def perform() -> Any:
            answer = await self.both.http.ask("PUT", path_of(key) + query, value, headers)
            if answer.status != 412:
                self._note_etag(key, answer.headers["ETag"])
            return self._stored(answer.status)

        def model(state: State) -> int:
            if not self._holds(state, key, name, tag):
                return 412
            old = state.get(key)
            state.put(key, value, _expiry(state, old, life), content_type)
            return self._stored(204 if old or self._answers_at_once else 201)

        return Action([key], perform, model)

    def of_touch(self, key: bytes, life: int | str | None, condition: str | None) -> Action:
        query, headers = _life(life)
        name, tag = self._only_if(key, condition)
        if name:
            headers[name] = tag

        async def perform() -> int:
            answer = await self.both.http.ask("PATCH", path_of(key) + query, b"", headers)
            if answer.status == 204:
                self._note_etag(key, answer.headers["ETag"])
            return answer.status

        def model(state: State) -> int:
            old = state.get(key)
            if old is None:
                return 404
            if name and not self._holds(state, key, name, tag):
                return 412
            state.redate(key, old, _expiry(state, old, life))
            return 204

        return Action([key], perform, model)

    def of_count(self, key: bytes, by: int, life: int | str | None, most: int) -> Action:
        query, headers = _life(life)
        query += f"{'&' if query else '?'}by={by}&initial=7&max={most}"

        async def perform() -> Any:
            answer = await self.both.http.ask("POST", path_of(key) + query, b"", headers)
            if answer.status == 409:
                return 409
            self._note_etag(key, answer.headers["ETag"])
            status = 200 if self.is_loose else answer.status
            return status, answer.headers["Content-Type"], answer.body

        def model(state: State) -> Any:
            old = state.get(key)
            number = 7 if old is None else integer_or_none(old.value)
            if number is None or not LEAST <= number + by <= most:
                return 409
            digits, content_type = b"%d" % (number + by), old.content_type if old else "text/plain"
            expires_at = old.expires_at if old else _expiry(state, old, life)
            state.put(key, digits, expires_at, content_type)
            is_known = self.is_loose or self._answers_at_once
            return (200 if old or is_known else 201), content_type, digits

        return Action([key], perform, model)

    def of_take(self, key: bytes, condition: str | None) -> Action:
        name, tag = self._only_if(key, condition)

        async def perform() -> Any:
            headers = {"Prefer": "return=representation"} | ({name: tag} if name else {})
            answer = await self.both.http.ask("DELETE", path_of(key), b"", headers)
            if answer.status != 200:
                return answer.status
            assert answer.headers["Preference-Applied"] == "return=representation"
            return answer.headers["Content-Type"], answer.body

        def model(state: State) -> Any:
            old = state.get(key)
            if old is None:
                return 404
            if name and not self._holds(state, key, name, tag):
                return 412
            state.drop(key)
            return old.content_type, old.value

        return Action([key], perform, model)

    def of_get(self, key: bytes, method: str, condition: str | None) -> Action:
        tags = self.known_etags[key]
        tag = tags[-1] if condition and tags else ""

        async def perform() -> Any:
            headers = {"If-None-Match": tag} if tag else {}
            answer = await self.both.http.ask(method, path_of(key), b"", headers)
            if answer.status == 404:
                return 404
            assert answer.status in {200, 304}, answer
            self._note_etag(key, answer.headers["ETag"])
            fields = answer.headers["Cache-Status"].split("; ")
            left = [int(each[4:]) for each in fields if each.startswith("ttl=")]
            if answer.status == 304:
                return 304, left
            size = int(answer.headers["Content-Length"])
            return size, left, answer.headers["Content-Type"], answer.body

        def model(state: State) -> Any:
            version = state.get(key)
            if version is None:
                return 404
            left = _left(state, version)
            if tag and self.etags.get((key, version.number)) == tag:
                return 304, left
            body = version.value if method == "GET" else b""
            return len(version.value), left, version.content_type, body

        return Action([key], perform, model)

    def of_delete(self, key: bytes, condition: str | None) -> Action:
        name, tag = self._only_if(key, condition)
        is_loose = self.is_loose or self._answers_at_once

        async def perform() -> int:
            headers = {name: tag} if name else {}
            status = (await self.both.http.ask("DELETE", path_of(key), b"", headers)).status
            return 204 if status == 404 and is_loose else status

        def model(state: State) -> int:
            if name and state.get(key) is not None and not self._holds(state, key, name, tag):
                return 412
            return 204 if state.drop(key) or is_loose else 404

        return Action([key], perform, model)

    def of_mset(self, space: bytes, entries: dict[bytes, bytes], life: int | str | None) -> Action:
        async def perform() -> list[int]:
            rows = [
                {"key": name, "value": value, "ttl": life, "content_type": "text/plain"}
                for name, value in entries.items()
            ]
            body = {"namespace": space.decode(), "entries": rows}
            told = await self.both.http.batch("/v1/mset", body)
            return [self._stored(each["status"]) for each in told]

        def model(state: State) -> list[int]:
            told = []
            for name, value in entries.items():
                key = space + b"/" + name
                old = state.get(key)
                state.put(key, value, _expiry(state, old, life), "text/plain")
                told.append(self._stored(204 if old or self._answers_at_once else 201))
            return told

        return Action([space + b"/" + name for name in entries], perform, model)

    def of_mget(self, space: bytes, wanted: list[bytes]) -> Action:
        async def perform() -> Any:
            body = {"namespace": space.decode(), "keys": wanted}
            found = await self.both.http.batch("/v1/mget", body)
            return {
                bytes(each["key"]): (bytes(each["value"]), each["content_type"], each["ttl"])
                for each in found
            }

        def model(state: State) -> Any:
            found = {}
            for name in wanted:
                version = state.get(space + b"/" + name)
                if version is not None:
                    left = _left(state, version)
                    told = left[0] if left else None
                    found[name] = version.value, version.content_type, told
            return found

        return Action([space + b"/" + name for name in wanted], perform, model)

    def of_mdelete(self, space: bytes, doomed: list[bytes]) -> Action:
        is_loose = self.is_loose or self._answers_at_once

        async def perform() -> list[int]:
            body = {"namespace": space.decode(), "keys": doomed}
            told = await self.both.http.batch("/v1/mdelete", body)
            return [204 if is_loose else each["status"] for each in told]

        def model(state: State) -> list[int]:
            dropped = [state.drop(space + b"/" + name) for name in doomed]
            return [204 if each or is_loose else 404 for each in dropped]

        return Action([space + b"/" + name for name in doomed], perform, model)

    # ---- conditions and what else is known of answers

    @property
    def _answers_at_once(self) -> bool:
        """Whether a write is answered before L3 says if there was an older version."""
        return self.both.store.config.durability == "memory"

    def _stored(self, status: int) -> int:
        return 204 if self.is_loose and status == 201 else status

    def _condition(self, key: bytes, condition: str | None) -> tuple[str, str]:
        """The name of a header and its value."""
        tags = [*self.known_etags[key]]
        match condition:
            case None:
                return "", ""
            case "absent":
                return "If-None-Match", "*"
            case "any":
                return "If-Match", "*"
            case "version":
                return "If-Match", tags[-1] if tags else '"0"'
            case _:
                return "If-Match", tags[-2] if len(tags) > 1 else '"1"'

    def _only_if(self, key: bytes, condition: str | None) -> tuple[str, str]:
        """The same of a call that makes nothing: without If-None-Match."""
        name, tag = self._condition(key, condition)
        return ("", "") if name == "If-None-Match" else (name, tag)

    def _holds(self, state: State, key: bytes, name: str, tag: str) -> bool:
        version = state.get(key)
        if name == "If-None-Match":
            return version is None
        if name == "If-Match":
            return version is not None and (
                tag == "*" or self.etags.get((key, version.number)) == tag
            )
        return True

    def _note_etag(self, key: bytes, etag: str) -> None:
        """To be held against the version that the model has after this answer."""
        self._news = key, etag

    _news: tuple[bytes, str] | None = None

    def check_etag(self) -> None:
        """An ETag is of one version, and each version has another."""
        if self._news is None:
            return
        (key, etag), self._news = self._news, None
        found = [each for each in self.beliefs.of(key) if each is not None]
        if len(found) != 1:
            return
        [version] = found
        if (key, version.number) in self.etags:
            assert self.etags[key, version.number] == etag
            return
        assert etag not in self.etags.values()
        self.etags[key, version.number] = etag
        self.known_etags[key].append(etag)

    # ---- rules: one client

    @rule(space=spaces, script=scripts, by_other=st.booleans(), reads=st.booleans())
    def pipeline(self, space: bytes, script: list[Parts], *, by_other: bool, reads: bool) -> None:
        """As if one came after the other."""
        self.do(self.of_resp(space, script, by_other=by_other), reads=reads)

    @rule(space=spaces, script=scripts, reads=st.booleans())
    def transaction(self, space: bytes, script: list[Parts], *, reads: bool) -> None:
        self.do(self.of_resp(space, script, in_transaction=True), reads=reads)

    @rule(key=keys, value=values, life=seconds, data=st.data())
    def keep_or_change_a_life(
        self, key: bytes, value: bytes, life: bytes, data: st.DataObject
    ) -> None:
        """What a command does to the life of the value that it changes."""
        space, _, name = key.partition(b"/")
        command = data.draw(of_lives(name))
        script = [(b"SET", name, value, b"EX", life), command, (b"PTTL", name)]
        self.do(self.of_resp(space, script), reads=True)

    @rule(
        key=keys,
        value=values,
        life=lives,
        content_type=content_types,
        condition=conditions,
        reads=st.booleans(),
    )
    def put(
        self,
        key: bytes,
        value: bytes,
        life: int | str | None,
        content_type: str,
        condition: str | None,
        *,
        reads: bool,
    ) -> None:
        self.do(self.of_put(key, value, life, content_type, condition), reads=reads)

    @rule(key=keys, method=st.sampled_from(["GET", "HEAD"]), condition=st.booleans())
    def get(self, key: bytes, method: str, *, condition: bool) -> None:
        self.do(self.of_get(key, method, "known" if condition else None))

    @rule(key=keys)
    def get_both(self, key: bytes) -> None:
        self.read_both(key)

    @rule(key=keys, condition=conditions)
    def delete(self, key: bytes, condition: str | None) -> None:
        self.do(self.of_delete(key, condition))

    @rule(key=keys, life=new_lives, condition=conditions, reads=st.booleans())
    def touch(
        self, key: bytes, life: int | str | None, condition: str | None, *, reads: bool
    ) -> None:
        self.do(self.of_touch(key, life, condition), reads=reads)

    @rule(key=keys, by=steps, life=new_lives, most=st.sampled_from([8, MOST]), reads=st.booleans())
    def count(self, key: bytes, by: int, life: int | str | None, most: int, *, reads: bool) -> None:
        self.do(self.of_count(key, by, life, most), reads=reads)

    @rule(key=keys, condition=conditions)
    def take(self, key: bytes, condition: str | None) -> None:
        self.do(self.of_take(key, condition), reads=True)

    @rule(space=spaces, entries=st.dictionaries(names, values, min_size=1), life=lives)
    def put_many(self, space: bytes, entries: dict[bytes, bytes], life: int | str | None) -> None:
        self.do(self.of_mset(space, entries, life))

    @rule(space=spaces, wanted=st.lists(names, min_size=1, unique=True))
    def get_many(self, space: bytes, wanted: list[bytes]) -> None:
        self.do(self.of_mget(space, wanted))

    @rule(space=spaces, doomed=st.lists(names, min_size=1, unique=True))
    def delete_many(self, space: bytes, doomed: list[bytes]) -> None:
        self.do(self.of_mdelete(space, doomed))

    @rule(scope=st.sampled_from(SCOPES))
    def invalidate(self, scope: tuple[bytes, bytes]) -> None:
        space, prefix = scope
        what: dict[str, object] = {"prefix": prefix.decode()} if prefix else {"all": True}
        body = json.dumps({"namespace": space.decode(), **what}).encode()
        answer = self.both.run(self.both.http.ask("POST", "/v1/invalidate", body))
        assert answer.status == 204
        self.beliefs.remove(space + b"/" + prefix)

    @rule(space=spaces, in_transaction=st.booleans(), script=scripts)
    def flush(self, space: bytes, script: list[Parts], *, in_transaction: bool) -> None:
        """And read, in the same transaction, what is not there any more."""
        client = self.both.resp[space]
        if not in_transaction:
            assert self.both.run(client.ask((b"FLUSHDB",))) == [OK]
            self.beliefs.remove(space + b"/")
            return
        *_, replies = self.both.run(client.ask((b"MULTI",), (b"FLUSHDB",), *script, (b"EXEC",)))
        assert replies[0] == OK
        self.beliefs.remove(space + b"/")
        action = self.of_resp(space, script)
        self.explain(action, replies[1:])

    # ---- rules: several clients

    def _one_of_http(self, data: st.DataObject, key: bytes) -> Action:
        match data.draw(st.sampled_from(["put", "delete", "get", "touch", "count", "take"])):
            case "put":
                drawn = data.draw(st.tuples(values, lives, content_types, conditions))
                return self.of_put(key, *drawn)
            case "delete":
                return self.of_delete(key, data.draw(conditions))
            case "touch":
                return self.of_touch(key, data.draw(new_lives), data.draw(conditions))
            case "count":
                return self.of_count(key, data.draw(steps), data.draw(new_lives), MOST)
            case "take":
                return self.of_take(key, data.draw(conditions))
        return self.of_get(key, "GET", None)

    @rule(space=spaces, watched=st.lists(names, min_size=1, max_size=2), data=st.data())
    def watch(self, space: bytes, watched: list[bytes], data: st.DataObject) -> None:
        """EXEC runs exactly if nobody has written what is watched, over whichever protocol."""
        client = self.both.resp[space]
        if data.draw(st.booleans()):
            self.do(self.of_resp(space, [(b"SET", name, b"watched") for name in watched]))
        assert self.both.run(client.ask((b"WATCH", *watched))) == [OK]
        names_of_watched = {space + b"/" + name for name in watched}
        match data.draw(st.sampled_from(["http", "resp", "invalidate", "time", "fill", "nothing"])):
            case "http":
                key = space + b"/" + data.draw(names)
                between = self._one_of_http(data, key)
                changed, may_have = self.do(between), set(between.keys)
            case "resp":
                between = self.of_resp(space, data.draw(scripts), by_other=True)
                changed, may_have = self.do(between), set(between.keys)
            case "invalidate":
                scope = space, data.draw(st.sampled_from([b"", b"a", b"b/"]))
                below = {key for key in names_of_watched if key.startswith(b"/".join(scope))}
                changed = {key for key in below if self.beliefs.of(key) != {None}}
                may_have = below
                self.invalidate(scope)
            case "fill":
                changed = may_have = set()
                self.fill(8)
            case _:
                changed = may_have = set()
        script = data.draw(scripts)
        action = self.of_resp(space, script, in_transaction=True)
        replies = self.both.run(_awaited(action.perform()))
        if replies is None:
            assert names_of_watched & may_have, "nobody has written it"
            return
        assert self.beliefs.may_forget or not names_of_watched & changed, "it has been written"
        self.explain(action, replies)

    @rule(key=keys, data=st.data())
    def at_once(self, key: bytes, data: st.DataObject) -> None:
        """Two clients at the same time, whose requests come in either order."""
        if data.draw(st.booleans()):
            self.fill(10)  # so that L3 has to be asked
        first = self._one_of_http(data, key)
        space = key.partition(b"/")[0]
        script = [data.draw(commands)] if self.beliefs.may_forget else data.draw(scripts)
        second = self.of_resp(space, script, in_transaction=True)

        async def both() -> tuple[Any, Any]:
            return await asyncio.gather(_awaited(first.perform()), _awaited(second.perform()))

        def http_first(state: State) -> tuple[Any, Any]:
            seen = first.model(state)
            return seen, second.model(state)

        def resp_first(state: State) -> tuple[Any, Any]:
            seen = second.model(state)
            return first.model(state), seen

        seen = self.both.run(both())
        self.beliefs.explain([*first.keys, *second.keys], tuple(seen), http_first, resp_first)
        self._news = None  # of a version that the other may have replaced
        self.read_both(key)

    # ---- rules: what is listed

    @rule(space=spaces)
    def list_keys(self, space: bytes) -> None:
        """SCAN, KEYS, DBSIZE and /v1/keys list the same. Memory is swept before: what has expired
        may be listed once more if it is swept just then.
        """
        self.both.run(self.both.sweep())
        scanned, listed, size = self.both.run(self._scan(space))
        paged = self.both.run(self._page(space))
        assert len(scanned) == len(set(scanned))
        live = self.beliefs.live(space + b"/")
        state = State({}, self.both.now, 0)
        lefts = {key[len(space) + 1 :]: _left(state, version) for key, version in live.items()}
        if self.beliefs.may_forget:
            assert {*scanned, *listed, *paged} <= lefts.keys()
            assert size <= len(lefts)
            return
        assert set(scanned) == set(listed) == lefts.keys()
        assert size == len(lefts)
        assert paged == lefts

    async def _scan(self, space: bytes) -> tuple[list[bytes], list[bytes], int]:
        client = self.both.resp[space]
        scanned: list[bytes] = []
        cursor = b"0"
        while True:
            [[cursor, found]] = await client.ask((b"SCAN", cursor, b"COUNT", b"2"))
            scanned += found
            if cursor == b"0":
                break
        listed, size = await client.ask((b"KEYS", b"*"), (b"DBSIZE",))
        return scanned, listed, size

    async def _page(self, space: bytes) -> dict[bytes, list[int]]:
        """By key, the seconds that are left."""
        found: dict[bytes, list[int]] = {}
        cursor: str | None = ""
        while cursor is not None:
            path = f"/v1/keys?namespace={space.decode()}&limit=2&cursor={quote(cursor)}"
            answer = await self.both.http.ask("GET", path)
            assert answer.status == 200, answer
            page = json.loads(answer.body)
            for each in page["keys"]:
                found[each["key"].encode()] = [] if each["ttl"] is None else [each["ttl"]]
            cursor = page["cursor"]
        return found

    # ---- rules: what happens to the server

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.both.run(self._empty())
        self.configure(data)

    async def _empty(self) -> None:
        for space, client in self.both.resp.items():
            names = [key.partition(b"/")[2] for key in KEYS if key.startswith(space)]
            # An example that has failed may have left something watched.
            await client.ask((b"UNWATCH",), (b"DEL", *names))
        await self.both.sweep()

    @rule(data=st.data())
    def configure(self, data: st.DataObject) -> None:
        config, tuning = data.draw(configs(may_forget=self.beliefs.may_forget))
        self.both.run(self.both.configure(config, tuning))

    @rule(seconds=st.sampled_from(STEPS))
    def time_passes(self, seconds: float) -> None:
        self.both.now += seconds
        self.beliefs.now = self.both.now

    @rule()
    def sweep(self) -> None:
        self.both.run(self.both.sweep())

    @rule(count=st.integers(1, 12))
    def fill(self, count: int) -> None:
        """Others' entries, which take the place of ours in memory."""

        async def put() -> None:
            for number in range(count):
                path = path_of(b"filler/%d" % number)
                assert (await self.both.http.ask("PUT", path, b"x" * 100)).status in {201, 204}

        self.both.run(put())

    @rule(
        key=keys,
        value=values,
        command=writes,
        wait=st.sampled_from([0.0, 0.0005, 0.002]),
        chance=st.integers(0, KILLS_SELDOM),
    )
    def kill_l3(self, key: bytes, value: bytes, command: Parts, wait: float, chance: int) -> None:
        """kill -9 while two writes are under way, which are answered when L3 is back."""
        if chance:
            return  # it takes a while
        was_loose, self.is_loose = self.is_loose, True
        space = SPACES[0] if key.startswith(SPACES[1]) else SPACES[1]
        first = self.of_put(key, value, "never", "text/plain", None)
        second = self.of_resp(space, [command])

        async def both() -> tuple[Any, Any]:
            tasks = [asyncio.ensure_future(_awaited(each.perform())) for each in (first, second)]
            await asyncio.sleep(wait)
            self.both.kill_l3()
            await self.both.recovered()
            one, other = await asyncio.gather(*tasks)
            return one, other

        seen, replies = self.both.run(both())
        self.beliefs.explain(first.keys, seen, first.model)
        self._news = None
        if command[0] == b"DEL":  # whether there was one is not known any more
            self.beliefs.explain(second.keys, None, lambda state: (second.model(state), None)[1])
        else:
            self.beliefs.explain(second.keys, replies, second.model)
        self.is_loose = was_loose
        self.read_both(key)
        for each in sorted(second.keys):
            self.read_both(each)


def _run(space: bytes, command: Parts, state: State) -> Any:
    return run(state, space, command)


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


def _life(life: int | str | None) -> tuple[str, dict[str, str]]:
    """The query and the header fields that state it."""
    if life == 1050:
        return "", {"Cache-Control": f"max-age={life}"}
    return ("" if life is None else f"?ttl={life}"), {}


def _expiry(state: State, old: Version | None, life: int | str | None) -> float:
    if life == "keep" and old is not None:
        return old.expires_at
    if life == "never":
        return float("inf")
    return state.now + (life if isinstance(life, int) else DEFAULT_SECONDS)


def _left(state: State, version: Version) -> list[int]:
    """The seconds that it lives, if it does not live for ever."""
    left = state.left_ms(version)
    return [] if left < 0 else [left // 1000]


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    """A server whose child may die as often as it likes."""
    monkeypatch.setattr(process, "CALM_SECONDS", 0.0)
    monkeypatch.setattr(process, "BACKOFF_SECONDS", (0.0,))
    server = Both(tmp_path, [*SPACES])
    yield server
    server.close()


@pytest.mark.parametrize("may_forget", [False, True], ids=["L3 has all", "L3 is small"])
def test_both_protocols_tell_one_truth(both: Both, *, may_forget: bool) -> None:
    """Whatever is done over either, what is seen over either is what the model says."""
    make: Any = partial(OneTruth, both, may_forget=may_forget)
    run_state_machine_as_test(
        make,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
