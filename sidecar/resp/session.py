"""What is known of a client: the state that its commands give it, and what it may be asked for.

How its commands are run, and their replies kept in order, is in `client`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from sidecar.api.leases import MOST_BOUND
from sidecar.model.clock import Clock
from sidecar.resp.databases import prefix_of
from sidecar.resp.transaction import Transaction, Watching


class Link(Protocol):
    """The way to a client."""

    def send(self, data: bytes) -> None:
        """Send it, at the latest when all requests of this turn of the loop have been answered. May
        call `hold_back` before it returns.
        """

    def send_now(self, data: bytes) -> None:
        """Send it at once."""

    def close(self) -> None:
        """Close it once all has been sent."""

    def abort(self) -> None:
        """Close it now; what has not been sent is dropped."""

    def read_on(self, wanted: bool, /) -> None:
        """Whether more may be received now."""

    def spawn(self, work: Coroutine[Any, Any, None], /) -> None:
        """Run it, as long as the client is connected."""

    def describe(self) -> tuple[str, str, int]:
        """Its address, ours, and the descriptor."""


class Subscribed:
    """What one client is subscribed to, in the order in which it has subscribed."""

    __slots__ = ("channels", "held_bytes", "patterns")

    def __init__(self) -> None:
        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self.channels) + len(self.patterns)


@dataclass(slots=True)
class Tracking:
    """What one client has asked for by CLIENT TRACKING ON."""

    redirect: int = 0
    """The client that is told instead; 0 if there is none."""
    is_broadcast: bool = False
    opts_in: bool = False
    opts_out: bool = False
    skips_own: bool = False
    """Whether it is not told of what it has written."""
    is_exception: bool = False
    """Whether CLIENT CACHING was given for the next command, or transaction."""
    is_broken: bool = False
    """Whether the client that is told instead is gone."""
    prefixes: list[bytes] = field(default_factory=list)
    """Of BCAST; none begins with another."""

    @property
    def remembers(self) -> bool:
        if self.opts_in:
            return self.is_exception
        return not (self.opts_out and self.is_exception)


class Session(ABC):
    """A client that is connected."""

    link: Link
    clock: Clock
    id: int
    most_value_bytes: int

    def __init__(self, link: Link, clock: Clock, number: int, *, needs_token: bool) -> None:
        self.link = link
        self.clock = clock
        self.id = number
        self.created_at = self.active_at = clock()
        self.has_received = False
        """Something, since this was last looked at."""
        self.subscribed: Subscribed | None = None
        """What it is subscribed to; None if to nothing."""
        self.tracking: Tracking | None = None
        self.transaction: Transaction | None = None
        self.watch: Watching | None = None
        self._ends: tuple[Callable[[], None], ...] = ()
        self.begin(needs_token=needs_token)

    def begin(self, *, needs_token: bool) -> None:
        """The state of a new connection, also after RESET."""
        self.name = b""
        self.library = self.library_version = b""
        self.protocol = 2
        self.prefix = prefix_of(0)
        self.is_authenticated = not needs_token
        self.ends = False
        """Whether it is closed after this reply."""
        self.last_command = "NULL"
        self.replies = True
        self.skips = 0  # replies that are not sent
        self.note_state()

    def note_state(self) -> None:
        """Something has changed that a GET or a SET may depend on."""
        self.is_plain = (
            self.is_authenticated
            and self.transaction is None
            and not self.is_silent
            and self.tracking is None
            and not self.is_subscribed_only
        )
        """Whether nothing has to be asked before a GET or a SET."""

    @property
    def is_subscribed_only(self) -> bool:
        """Whether it may run few commands, as all that it is sent looks like messages."""
        return self.subscribed is not None and self.protocol == 2

    @property
    def is_silent(self) -> bool:
        """Whether replies are not sent: not to the command that runs, or to none."""
        return not self.replies or bool(self.skips)

    @property
    def namespace(self) -> bytes:
        return self.prefix[:-1]

    def skip_next(self) -> None:
        """Do not send the reply to the next command, nor to this one."""
        if self.replies:
            self.skips = 2
            self.note_state()

    def end_transaction(self) -> None:
        """Drop what was queued, and what was watched."""
        if self.transaction is not None:
            self.transaction.end()
            self.transaction = None
        self.unwatch()
        self.note_state()

    def unwatch(self) -> None:
        if self.watch is not None:
            self.watch.end()
            self.watch = None

    def at_end(self, end: Callable[[], None]) -> None:
        """Call this when it is gone. Of many, only the last are called."""
        self._ends = (*self._ends[1 - MOST_BOUND :], end)

    # ---- what it may be asked for

    @property
    @abstractmethod
    def is_at_work(self) -> bool:
        """Whether it is owed a reply."""

    @abstractmethod
    def push(self, message: bytes) -> None:
        """Send what is no reply, behind the replies to commands that have begun. A client that does
        not read what it is sent is closed, where that takes too much memory.
        """

    @abstractmethod
    def rest(self) -> None:
        """Run nothing more in this turn of the loop, nor before all has been delivered."""

    @abstractmethod
    def kill(self, *, by: Session) -> None:
        """Close it on behalf of a client, which still gets its reply if it is this one."""

    @abstractmethod
    def hold(self, size: int) -> None:
        """Take memory for the reply now, until it has been sent. Raises RespError."""

    @abstractmethod
    async def reserve(self, size: int) -> None:
        """Take memory for the reply, after a short wait if need be. Raises RespError."""
