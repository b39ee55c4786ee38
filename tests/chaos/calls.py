"""The operations of a worker over HTTP."""

from __future__ import annotations

import http.client
import json
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tests.chaos.model import Key

GIVE_UP_SECONDS = 15.0
REFUSED = frozenset({404, 412, 503})
TAKE = {"Prefer": "return=representation"}

Dial = Callable[[], http.client.HTTPConnection]
"""Makes a connection, which connects with its first request."""


def over_tcp(port: int) -> Dial:
    return lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_SECONDS)


def over_unix(path: Path) -> Dial:
    return lambda: OverUnix(path)


class OverUnix(http.client.HTTPConnection):
    """A connection to a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=GIVE_UP_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Owner(Protocol):
    """The worker whose keys they are."""

    keys: dict[str, Key]
    counters: dict[str, Key]

    def all_keys(self) -> dict[str, Key]: ...
    def value_of(self, name: str) -> bytes: ...
    def violated(self, what: str, how: str) -> None: ...
    def timed(self, what: str) -> Any:
        """A context in which an answer is waited for."""

    def unavailable(self) -> None:
        """There was no answer, or one that refuses."""


class Calls:
    """Asks, one request at a time, and holds what is answered against the model."""

    def __init__(self, owner: Owner, dial: Dial, namespace: str, rng: random.Random) -> None:
        self._owner = owner
        self._dial = dial
        self._namespace = namespace
        self._rng = rng
        self._connection: http.client.HTTPConnection | None = None

    def step(self) -> None:
        """One random operation."""
        name = self._rng.choice(list(self._owner.keys))
        operations: list[tuple[Callable[[str], object], float]] = [
            (self._put, 20),
            (self._put_tagged, 8),
            (self._put_briefly, 2),
            (self._put_leased, 4),
            (self._invalidate_tag, 1),
            (self.get, 50),
            (self._remove, 8),
            (self._take, 4),
            (self._touch, 4),
            (self._add, 6),
            (self._put_many, 4),
            (self._get_many, 5),
            (self._invalidate, 0.3),
        ]
        self._rng.choices([each for each, _ in operations], [share for _, share in operations])[0](
            name
        )

    def _put(self, name: str) -> None:
        value = self._owner.value_of(name)
        status, headers, _ = self.ask("PUT", self._path(name), value)
        self._owner.keys[name].put(
            value, answered=status in {201, 204}, durable=_is_durable(headers)
        )

    def _put_tagged(self, name: str) -> None:
        value, tag = self._owner.value_of(name), {"Cache-Tag": f"any, {_tag_of(name)}"}
        status, headers, _ = self.ask("PUT", self._path(name), value, tag)
        self._owner.keys[name].put(
            value, answered=status in {201, 204}, durable=_is_durable(headers), tagged=True
        )

    def _put_briefly(self, name: str) -> None:
        """It may be served, fresh or stale, or be gone at any time."""
        value = self._owner.value_of(name)
        life = {"Cache-Control": "max-age=1, stale-while-revalidate=5, stale-if-error=20"}
        status, _, _ = self.ask("PUT", f"{self._path(name)}", value, life)
        self._owner.keys[name].put(value, answered=status in {201, 204}, durable=False)

    def _put_leased(self, name: str) -> None:
        """Whoever gets a lease puts the value with it, unless somebody else took it away."""
        key = self._owner.keys[name]
        status, headers, body = self.ask("GET", f"{self._path(name)}?lease=5")
        if status == 200 and (wrong := key.wrong(body)):
            self._owner.violated(name, wrong)
        if (token := headers.get("Cache-Lease")) is None:
            return
        value = self._owner.value_of(name)
        lease = {"Cache-Lease": token}
        status, headers, body = self.ask("PUT", self._path(name), value, lease)
        if status != 412 and not _is_unchanged(status, body):
            key.put(value, answered=status in {201, 204}, durable=_is_durable(headers))

    def _invalidate_tag(self, name: str) -> None:
        tag = _tag_of(name)
        body = json.dumps({"namespace": self._namespace, "tags": [tag]}).encode()
        status, _, _ = self.ask("POST", "/v1/invalidate", body)
        for each, key in self._owner.keys.items():
            if _tag_of(each) == tag:
                key.invalidate_tag(answered=status == 204)

    def get(self, name: str) -> int:
        """The status."""
        status, _, body = self.ask("GET", self._path(name))
        found = body if status == 200 else None
        if wrong := self._owner.all_keys()[name].wrong(found):
            self._owner.violated(name, wrong)
        return status

    def _remove(self, name: str) -> None:
        status, _, _ = self.ask("DELETE", self._path(name))
        self._owner.keys[name].delete(answered=status in {204, 404})

    def _take(self, name: str) -> None:
        key = self._owner.keys[name]
        status, _, body = self.ask("DELETE", self._path(name), None, TAKE)
        if status == 200 and (wrong := key.wrong(body)):
            self._owner.violated(name, wrong)
        if not _is_unchanged(status, body):
            key.delete(answered=status in {200, 404})

    def _touch(self, name: str) -> None:
        """The value stays: with a life, a clock that leaps would end it."""
        status, headers, body = self.ask("PATCH", f"{self._path(name)}?ttl=never")
        if not (_is_unchanged(status, body) or (status == 204 and _is_durable(headers))):
            self._owner.keys[name].durable = False

    def _add(self, _name: str) -> None:
        name = self._rng.choice(list(self._owner.counters))
        status, headers, body = self.ask("POST", f"{self._path(name)}?by=3")
        if _is_unchanged(status, body):
            return
        is_known = status in {200, 201}
        durable = is_known and _is_durable(headers)
        wrong = self._owner.counters[name].change(
            lambda old: b"%d" % (int(old or 0) + 3),
            (lambda value: value == body) if is_known else None,
            durable=durable,
            was_there=durable,
        )
        if wrong:
            self._owner.violated(name, f"POST was answered {body!r}: {wrong}")

    def _put_many(self, _name: str) -> None:
        names = self._rng.sample(list(self._owner.keys), 5)
        values = {name: self._owner.value_of(name)[:2000] for name in names}
        entries = [{"key": name, "value": value} for name, value in values.items()]
        body = {"namespace": self._namespace, "entries": entries}
        status, answer = self._batch("/v1/mset", body)
        for at, (name, value) in enumerate(values.items()):
            told = answer["entries"][at]["status"] if status == 200 else 0
            self._owner.keys[name].put(value, answered=told in {201, 204}, durable=False)

    def _get_many(self, _name: str) -> None:
        names = self._rng.sample(list(self._owner.keys), 10)
        status, answer = self._batch("/v1/mget", {"namespace": self._namespace, "keys": names})
        if status != 200:
            return
        for entry in answer["entries"]:
            name = entry["key"] if isinstance(entry["key"], str) else entry["key"].decode()
            if wrong := self._owner.keys[name].wrong(bytes(entry["value"])):
                self._owner.violated(name, wrong)

    def _invalidate(self, _name: str) -> None:
        prefix = f"key{self._rng.randrange(10)}"
        body = json.dumps({"namespace": self._namespace, "prefix": prefix}).encode()
        status, _, _ = self.ask("POST", "/v1/invalidate", body)
        for name, key in self._owner.keys.items():
            if name.startswith(prefix):
                key.delete(answered=status in {200, 204})

    # ---- requests

    def _path(self, name: str) -> str:
        return f"/v1/cache/{self._namespace}/{name}"

    def _batch(self, path: str, body: object) -> tuple[int, Any]:
        kind = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
        status, _, answer = self.ask("POST", path, msgspec.msgpack.encode(body), kind)
        return status, msgspec.msgpack.decode(answer) if status == 200 else None

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body; status 0 if there was no answer."""
        with self._owner.timed(f"{method} {path}"):
            try:
                if self._connection is None:
                    self._connection = self._dial()
                self._connection.request(method, path, body, headers or {})
                answer = self._connection.getresponse()
                status, found, data = answer.status, dict(answer.headers), answer.read()
            except (OSError, http.client.HTTPException):
                self.drop()
                status, found, data = 0, {}, b""
                time.sleep(0.01)
        if status in {0, 503}:
            self._owner.unavailable()
        elif status >= 400 and status not in REFUSED:
            self._owner.violated(path, f"{method} was answered {status} {data[:200]!r}")
        return status, found, data

    def drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _tag_of(name: str) -> str:
    return f"tag{name[-1]}"


def _is_durable(headers: dict[str, str]) -> bool:
    return headers.get("Cache-Status", "").endswith("detail=l3")


def _is_unchanged(status: int, body: bytes) -> bool:
    """Whether an answer says that nothing has happened."""
    return status == 503 and b"nothing was changed" in body
