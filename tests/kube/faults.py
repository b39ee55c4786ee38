"""What goes wrong with an API server."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Faults:
    """What goes wrong; all of it may be changed while the server runs."""

    statuses: dict[str, int] = field(default_factory=dict)
    """By verb (list, watch, create, patch): the status to answer with."""
    gone_as_event: bool = True
    """A watch from a forgotten version: an ERROR event after a 200, or HTTP 410."""
    end_watches: bool = False
    """Every watch ends at once."""
    break_watches: bool = False
    """Every watch breaks off at once."""
    forgetful: bool = False
    """Every version is too old to watch from."""
    frozen: bool = False
    """Connections are taken and nothing is ever said."""
    retry_after: int | None = None
    tokens: list[str] | None = None
    """Those that are good; None takes any, or none."""
    only_names: list[str] | None = None
    """The Role's resourceNames: a list or watch needs a field selector for one of them."""
    bookmark_seconds: float = 60.0
    watch_body: bytes | None = None
    """What every watch says instead of all else, before it ends."""
    list_body: bytes | None = None
    """What a list answers instead, with 200."""
