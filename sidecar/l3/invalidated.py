"""What L3 has stored of invalidations: a row for each scope, for each tag, and for the floor of the
tags, all with a write number.
"""

from __future__ import annotations

from rocksdict import Rdict

from sidecar.l3 import wire
from sidecar.l3.records import has_terms
from sidecar.model.invalidations import Invalidations
from sidecar.model.tags import NO_TAG, Tags
from sidecar.model.terms import stored_terms

_SCOPE = b"scope/"
_TAG = b"tag/"
_SOFT = b"soft/"
FLOOR_ROW = b"tags-floor"
SEQ_BYTES = 8
_MARK_BYTES = 8


def scope_row(scope: bytes) -> bytes:
    return _SCOPE + scope


def tag_row(mark: int) -> bytes:
    return _TAG + mark.to_bytes(_MARK_BYTES, "little")


def soft_row(mark: int) -> bytes:
    return _SOFT + mark.to_bytes(_MARK_BYTES, "little")


def pack_seq(seq: int) -> bytes:
    return seq.to_bytes(SEQ_BYTES, "little")


def load_scopes(state: Rdict, invalidations: Invalidations) -> None:
    for scope, seq in _rows(state, _SCOPE):
        invalidations.add(scope, seq)  # in any order


def load_tags(state: Rdict, tags: Tags) -> None:
    """In the order of their numbers, which is not that of the rows."""
    floor = state.get(FLOOR_ROW)
    if floor is not None:
        tags.raise_floor(int.from_bytes(floor, "little"))
    _add_rows(state, _TAG, tags)


def load_softened(state: Rdict, softened: Tags) -> None:
    """Likewise."""
    _add_rows(state, _SOFT, softened)


def _add_rows(state: Rdict, kind: bytes, tags: Tags) -> None:
    for seq, row in sorted((seq, row) for row, seq in _rows(state, kind)):
        mark = int.from_bytes(row, "little")
        if mark == NO_TAG:
            tags.raise_floor(seq)
        else:
            tags.add(mark, seq)


def is_invalidated(key: bytes, row: bytes, invalidations: Invalidations, tags: Tags) -> bool:
    """Whether this record is. Of one that is damaged, whoever asked for it notices that."""
    is_tagged = tags.any and has_terms(row)
    if not (is_tagged or invalidations.any):
        return False
    try:
        record = wire.decode_record(row)
        terms = stored_terms(record.terms) if is_tagged else None
    except wire.UNDECODABLE:
        return invalidations.covers(key, 0)
    return (invalidations.any and invalidations.covers(key, record.seq)) or (
        terms is not None and tags.covers(terms.marks, record.seq)
    )


def _rows(state: Rdict, kind: bytes) -> list[tuple[bytes, int]]:
    found: list[tuple[bytes, int]] = []
    rows = state.iter()
    rows.seek(kind)
    while rows.valid() and (key := rows.key()).startswith(kind):
        found.append((key[len(kind) :], int.from_bytes(rows.value(), "little")))
        rows.next()
    rows.status()
    return found
