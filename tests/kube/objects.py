"""The objects in an API server, with their versions and history. Independent of HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Literal

Object = dict[str, Any]
EventType = Literal["ADDED", "MODIFIED", "DELETED"]

MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[-+]\d\d:\d\d)")
MAX_DATA_BYTES = 1 << 20


class RefusedError(Exception):
    """An error answer."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason

    def status(self) -> Object:
        """The Status: the body of an answer, or the object of an ERROR event."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            "code": self.code,
        }


def gone() -> RefusedError:
    """The version is too old."""
    return RefusedError(410, "Expired", "The resourceVersion for the provided watch is too old.")


class ConfigMaps:
    """All ConfigMaps of a server, with one version counter and the history of events."""

    def __init__(self) -> None:
        self.version = 1000
        self.oldest = 0
        """Versions before this one are compacted."""
        self.history: list[tuple[EventType, Object]] = []
        self._objects: dict[tuple[str, str], Object] = {}
        self._uids = 0
        self.listeners: list[Callable[[EventType, Object], None]] = []

    def found(self, namespace: str, name: str | None) -> list[Object]:
        return [
            found
            for (its_namespace, its_name), found in self._objects.items()
            if its_namespace == namespace and name in (None, its_name)
        ]

    def get(self, namespace: str, name: str) -> Object:
        try:
            return self._objects[namespace, name]
        except KeyError:
            message = f'configmaps "{name}" not found'
            raise RefusedError(404, "NotFound", message) from None

    def put(self, namespace: str, name: str, body: Object) -> Object:
        """Create or replace; the server sets all fields except data, binaryData and immutable."""
        before = self._objects.get((namespace, name))
        kept = {key: body[key] for key in ("data", "binaryData", "immutable") if body.get(key)}
        _check_data(kept, before)
        if before is None:
            self._uids += 1
        self.version += 1
        found = {
            "kind": "ConfigMap",
            "apiVersion": "v1",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": before["metadata"]["uid"] if before else f"uid-{self._uids}",
                "resourceVersion": str(self.version),
            },
            **kept,
        }
        self._objects[namespace, name] = found
        self._happened("MODIFIED" if before else "ADDED", found)
        return found

    def patch(self, namespace: str, name: str, patch: Object) -> Object:
        """A merge patch (RFC 7396)."""
        return self.put(namespace, name, merged(self.get(namespace, name), patch))

    def delete(self, namespace: str, name: str) -> Object:
        found = deepcopy(self.get(namespace, name))
        del self._objects[namespace, name]
        self.version += 1
        found["metadata"]["resourceVersion"] = str(self.version)
        self._happened("DELETED", found)
        return found

    def since(self, version: int) -> list[tuple[EventType, Object]]:
        """The events after a version. Raises RefusedError if they are compacted."""
        if version < self.oldest:
            raise gone()
        return [it for it in self.history if int(it[1]["metadata"]["resourceVersion"]) > version]

    def compact(self) -> None:
        """Drop the history, as etcd does after five minutes, and a server at its restart."""
        self.version += 1
        self.oldest = self.version
        self.history.clear()

    def restore(self, version: int) -> None:
        """Continue with an earlier version, as after a restored backup."""
        self.version, self.oldest = version, 0
        self.history.clear()
        for found in self._objects.values():
            found["metadata"]["resourceVersion"] = str(version)

    def _happened(self, kind: EventType, found: Object) -> None:
        self.history.append((kind, found))
        for listener in [*self.listeners]:
            listener(kind, found)


class Events:
    """events.k8s.io/v1, with the validation of a real server."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], Object] = {}

    def create(self, namespace: str, body: Object) -> Object:
        name = body.get("metadata", {}).get("name")
        _demand(name, "metadata.name", "name or generateName is required")
        _check_event(namespace, body)
        if (namespace, name) in self.stored:
            raise RefusedError(409, "AlreadyExists", f'events "{name}" already exists')
        self.stored[namespace, name] = body
        return body

    def patch(self, namespace: str, name: str, patch: Object) -> Object:
        before = self.stored.get((namespace, name))
        if before is None:
            raise RefusedError(404, "NotFound", f'events "{name}" not found')
        after = merged(before, patch)
        for key in before.keys() | after.keys():
            same = before.get(key) == after.get(key)
            _demand(key in ("series", "metadata") or same, key, "field is immutable")
        _check_event(namespace, after)
        self.stored[namespace, name] = after
        return after


def merged(target: Object, patch: Object) -> Object:
    """RFC 7396: null removes, mappings are merged, everything else replaces."""
    result = deepcopy(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def _check_data(body: Object, before: Object | None) -> None:
    data = {**body.get("data", {}), **body.get("binaryData", {})}
    total = sum(len(key) + len(value.encode()) for key, value in data.items())
    _demand(total <= MAX_DATA_BYTES, "data", f"must have at most {MAX_DATA_BYTES} bytes")
    if before is not None and before.get("immutable"):
        same = all(body.get(key) == before.get(key) for key in ("data", "binaryData", "immutable"))
        _demand(same, "data", "field is immutable when `immutable` is set")


def _check_event(namespace: str, body: Object) -> None:
    _demand(body.get("metadata", {}).get("namespace") == namespace, "metadata.namespace", "differs")
    regarding = body.get("regarding", {})
    _demand(regarding.get("namespace") == namespace, "regarding.namespace", "does not match")
    _demand(MICRO_TIME.fullmatch(body.get("eventTime", "")), "eventTime", "must have six decimals")
    for key in ("reportingController", "reportingInstance", "action", "reason"):
        _demand(0 < len(body.get(key, "")) <= 128, key, "must have 1 to 128 characters")
    _demand(body.get("type") in ("Normal", "Warning"), "type", "must be Normal or Warning")
    note = body.get("note", "")
    _demand(len(note.encode()) <= 1024, "note", "can have at most 1024 characters")
    series = body.get("series")
    if series is not None:
        _demand(series.get("count", 0) >= 2, "series.count", "should be at least 2")
        observed = series.get("lastObservedTime", "")
        _demand(MICRO_TIME.fullmatch(observed), "series.lastObservedTime", "needs six decimals")


def _demand(holds: object, field: str, message: str) -> None:
    if not holds:
        raise RefusedError(422, "Invalid", f"{field}: Invalid value: {message}")
