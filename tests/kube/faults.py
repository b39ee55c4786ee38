"""The faults of an API server."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Faults:
    """The current faults; all of them may be changed while the server runs."""

    statuses: dict[str, int] = field(default_factory=dict)
    """The status of answers, by verb (list, watch, create, patch)."""
    error_body: bytes | None = None
    """The body of the answers with these statuses, instead of a Status."""
    gone_as_event: bool = True
    """How a watch from a compacted version fails: an ERROR event after a 200, or HTTP 410."""
    end_watches: bool = False
    """Every watch ends at once."""
    break_watches: bool = False
    """Every watch breaks off at once."""
    forgetful: bool = False
    """Every version is too old to watch from."""
    frozen: bool = False
    """Connections are accepted but never answered."""
    retry_after: int | None = None
    tokens: list[str] | None = None
    """The valid tokens; None accepts any, or none."""
    only_names: list[str] | None = None
    """The Role's resourceNames: a list or watch needs a field selector for one of them."""
    bookmark_seconds: float = 60.0
    """Infinite for none: a quiet object gets none where etcd does not report progress."""
    watch_body: bytes | None = None
    """The content of every watch before it ends, instead of events."""
    list_body: bytes | None = None
    """The answer to a list, with 200."""
