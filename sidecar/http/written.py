"""The answers to writes of one entry, and that there is none."""

from __future__ import annotations

from sidecar.http.messages import Reply
from sidecar.http.problems import NOT_KEPT, PROBLEM_HEADERS, problem_body
from sidecar.store.store import Written

_STORED = "Cache-Status: cache-sidecar; stored; detail=%s\r\n"
_PUT = f'ETag: "%x"\r\n{_STORED}'
_MISS_HEADERS = f"{PROBLEM_HEADERS}Cache-Status: cache-sidecar; fwd=miss\r\n"
_MISS_BODY = problem_body(
    404, "There is no entry of this name: it was never put, or expired, evicted or deleted."
)


def reply_to_miss() -> Reply:
    return Reply(404, _MISS_HEADERS, _MISS_BODY)


def reply_to_put(written: Written) -> Reply:
    return Reply(204 if written.replaced else 201, lines_of_version(written))


def lines_of_version(written: Written) -> str:
    """The header fields of an answer to a write that makes a version."""
    assert written.entry is not None  # noqa: S101  (it made one)
    return _PUT % (written.entry.seq, "l3" if written.durable else "memory")


def reply_to_count(written: Written) -> Reply:
    entry = written.entry
    assert entry is not None  # noqa: S101  (a put has one)
    assert isinstance(entry.value, bytes)  # noqa: S101  (so few digits are not compressed)
    head = f"Content-Type: {entry.content_type}\r\n{lines_of_version(written)}{NOT_KEPT}"
    return Reply(200 if written.replaced else 201, head, entry.value)


def reply_to_delete(written: Written) -> Reply:
    if not written.replaced:
        return reply_to_miss()
    return Reply(204, "" if written.durable else _STORED % "memory")
