"""One log event as text: a tree for people and language models, or one JSON object per line.

Values are escaped so that none can start a new line: a client cannot forge an event or a field
through a key or a header. Sizes are bounded, since values are untrusted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Set, Sized
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

MAX_TEXT = 8192
"""The most characters of a value; of a traceback the last ones, which have the error."""
MAX_ITEMS = 100
MAX_DEPTH = 6

TRACES = ("exception", "stack", "stack_info")
"""Fields with multiple lines, which are kept as lines."""

_HEADER = ("timestamp", "level", "logger", "event")

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


@dataclass(frozen=True, slots=True)
class Event:
    """A log event; `timestamp` is in seconds since 1970."""

    timestamp: float
    level: str
    logger: str
    text: str
    fields: Mapping[str, object]


def render_tree(event: Event) -> str:
    """`[timestamp] LEVEL | logger | event`, and below it a line for each field. The time is UTC."""
    stamp = _stamp(event.timestamp)
    text = _escaped(_cut(event.text))
    header = f"[{stamp}] {event.level.upper()} | {_escaped(event.logger)} | {text}"
    return "\n".join((header, *_branches(_plain_fields(event), "")))


def render_json(event: Event) -> str:
    """One object with `timestamp` (UTC), `level`, `logger`, `event`, and the fields.

    A field with one of these four names is called `field_level`, for example.
    """
    header = (_stamp(event.timestamp) + "Z", event.level, event.logger, _cut(event.text))
    fields = {
        f"field_{key}" if key in _HEADER else key: value for key, value in _plain_fields(event)
    }
    return json.dumps(dict(zip(_HEADER, header, strict=True)) | fields, ensure_ascii=False)


def _plain_fields(event: Event) -> Iterator[tuple[str, Plain]]:
    for key, value in event.fields.items():
        if key in TRACES and isinstance(value, str):
            yield key, value[-MAX_TEXT:]
        else:
            yield key, plain(value)


def plain(value: object, depth: int = 0) -> Plain:
    """The value in JSON's types, cut if it is too long, too deep or has too many items."""
    match value:
        case Mapping() if depth < MAX_DEPTH:
            some = islice(value.items(), MAX_ITEMS)
            mapping = {_described(key): plain(inner, depth + 1) for key, inner in some}
            return mapping | ({"...": _more(value)} if len(value) > MAX_ITEMS else {})
        case list() | tuple() | Set() if depth < MAX_DEPTH:
            items = [plain(inner, depth + 1) for inner in islice(value, MAX_ITEMS)]
            return [*items, _more(value)] if len(value) > MAX_ITEMS else items
        case _:
            return _scalar(value)


def _scalar(value: object) -> Plain:
    match value:
        case None | bool():
            return value
        case int() if -(1 << 63) <= value < 1 << 64:  # the range that JSON parsers support
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case str():
            return _cut(value)
        case bytes():
            return _cut(value[: MAX_TEXT + 1].decode(errors="backslashreplace"))
        case _:
            return _cut(_described(value))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "..."


def _more(container: Sized) -> str:
    return f"{len(container) - MAX_ITEMS} more"


def _described(value: object) -> str:
    try:
        return str(value) or repr(value)  # some exceptions have no text
    except Exception:  # noqa: BLE001  (another's __str__: a log line is no reason to fail)
        return f"<{type(value).__name__} that cannot be displayed>"


def _branches(fields: Iterable[tuple[str, Plain]], indent: str) -> Iterator[str]:
    """The lines of a mapping or, with its indices as keys, of a list."""
    entries = list(fields)
    for number, (key, value) in enumerate(entries, start=1):
        stem, under = ("└── ", "    ") if number == len(entries) else ("├── ", "│   ")
        start = f"{indent}{stem}{_escaped(key)}:"
        if isinstance(value, dict | list) and value:
            items = value.items() if isinstance(value, dict) else enumerate(value)
            yield start
            yield from _branches(((str(k), v) for k, v in items), indent + under)
        elif isinstance(value, str) and key in TRACES and "\n" in value:
            yield start
            yield from (f"{indent}{under}│ {_escaped(line)}".rstrip() for line in value.split("\n"))
        else:
            yield f"{start} {_leaf(value)}"


def _leaf(value: Plain) -> str:
    return _escaped(value) if isinstance(value, str) and value else json.dumps(value)


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _stamp(timestamp: float) -> str:
    moment = datetime.fromtimestamp(timestamp, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds")
