"""Channels and patterns, the clients that are subscribed to them, and what is published there.

Messages are not kept: who is not subscribed, or does not read, has none. Nothing here is of the
store; that a key changes is published by nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from sidecar.resp.deliveries import Deliveries
from sidecar.resp.errors import OUT_OF_MEMORY, RespError
from sidecar.resp.patterns import MOST_BYTES, matcher
from sidecar.resp.replies import bulk, push
from sidecar.resp.session import Session, Subscribed
from sidecar.serving.budget import Budget

MOST_OF_A_CLIENT = 10_000
"""Channels and patterns that one client may be subscribed to."""
MOST_PATTERNS = 1_000
"""Different patterns of all clients: each message is matched with all of them."""
SUBSCRIPTION_BYTES = 1024
"""What a subscription takes besides its name."""
PATTERN_PART = 16
"""A compiled pattern takes this many times its text."""
MANY = 64
"""A client that has published to more than so many patterns and subscribers goes on in the next
turn of the loop."""
ALLOWED = frozenset(
    {"subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ping", "quit", "reset"}
)
"""What a client that is subscribed may run in RESP2, where messages look like replies."""


def refused(name: str) -> str:
    """The error for any other command."""
    return (
        f"ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
        "RESET are allowed in this context"
    )


class Message:
    """Encoded once for each version of the protocol, whoever is sent it."""

    __slots__ = ("_encoded", "_parts")

    def __init__(self, *parts: bytes) -> None:
        self._parts = parts
        self._encoded: dict[int, bytes] = {}

    def of(self, protocol: int) -> bytes:
        encoded = self._encoded.get(protocol)
        if encoded is None:
            encoded = self._encoded[protocol] = push(protocol, [bulk(part) for part in self._parts])
        return encoded


class _Pattern:
    __slots__ = ("clients", "expression")

    def __init__(self, pattern: bytes) -> None:
        self.expression: re.Pattern[bytes] = matcher(pattern)
        self.clients: dict[Session, None] = {}


class Channels:
    """Who is subscribed to what. Subscriptions take their memory from the budget."""

    def __init__(self, budget: Budget, deliveries: Deliveries) -> None:
        self._budget = budget
        self._deliveries = deliveries
        self._channels: dict[bytes, dict[Session, None]] = {}
        self._patterns: dict[bytes, _Pattern] = {}

    # ---- subscriptions

    def subscribe(self, client: Session, channel: bytes) -> None:
        """Raises RespError."""
        if client.subscribed is not None and channel in client.subscribed.channels:
            return
        subscribed = self._admit(client, _cost_of(channel))
        subscribed.channels[channel] = None
        self._channels.setdefault(channel, {})[client] = None

    def subscribe_pattern(self, client: Session, pattern: bytes) -> None:
        """Raises RespError."""
        if client.subscribed is not None and pattern in client.subscribed.patterns:
            return
        if len(pattern) > MOST_BYTES:
            raise RespError(f"ERR A pattern is at most {MOST_BYTES:,} bytes.")
        if pattern not in self._patterns and len(self._patterns) >= MOST_PATTERNS:
            raise RespError(f"ERR All clients together may have {MOST_PATTERNS:,} patterns.")
        subscribed = self._admit(client, _cost_of_pattern(pattern))
        subscribed.patterns[pattern] = None
        self._patterns.setdefault(pattern, _Pattern(pattern)).clients[client] = None

    def _admit(self, client: Session, size: int) -> Subscribed:
        count = 0 if client.subscribed is None else len(client.subscribed)
        if count >= MOST_OF_A_CLIENT:
            raise RespError(
                f"ERR A client may subscribe to {MOST_OF_A_CLIENT:,} channels and patterns."
            )
        if not self._budget.take_for_long(size):
            raise RespError(OUT_OF_MEMORY)
        if client.subscribed is None:
            client.subscribed = Subscribed()
            client.note_state()
        client.subscribed.held_bytes += size
        return client.subscribed

    def unsubscribe(self, client: Session, channel: bytes) -> None:
        subscribed = client.subscribed
        if subscribed is None or channel not in subscribed.channels:
            return
        del subscribed.channels[channel]
        clients = self._channels[channel]
        del clients[client]
        if not clients:
            del self._channels[channel]
        self._give_back(client, subscribed, _cost_of(channel))

    def unsubscribe_pattern(self, client: Session, pattern: bytes) -> None:
        subscribed = client.subscribed
        if subscribed is None or pattern not in subscribed.patterns:
            return
        del subscribed.patterns[pattern]
        clients = self._patterns[pattern].clients
        del clients[client]
        if not clients:
            del self._patterns[pattern]
        self._give_back(client, subscribed, _cost_of_pattern(pattern))

    def _give_back(self, client: Session, subscribed: Subscribed, size: int) -> None:
        subscribed.held_bytes -= size
        self._budget.give(size)
        if not subscribed:
            client.subscribed = None
            client.note_state()

    def leave(self, client: Session) -> None:
        """Unsubscribe it from everything."""
        while client.subscribed is not None and client.subscribed.channels:
            self.unsubscribe(client, next(reversed(client.subscribed.channels)))
        while client.subscribed is not None and client.subscribed.patterns:
            self.unsubscribe_pattern(client, next(reversed(client.subscribed.patterns)))

    # ---- messages

    def publish(self, channel: bytes, payload: bytes) -> int:
        """Send a message to those who are subscribed; returns how many messages that makes. A
        client has one for the channel and one for each pattern that matches. Raises RespError.
        """
        receivers = len(self._channels.get(channel, ()))
        patterns = [
            pattern
            for pattern, each in self._patterns.items()
            if each.expression.fullmatch(channel) is not None
        ]
        receivers += sum(len(self._patterns[pattern].clients) for pattern in patterns)
        if receivers:
            size = len(channel) + len(payload)
            if not self._budget.take_for_long(size):
                raise RespError(OUT_OF_MEMORY)
            sends = self._sends(channel, patterns, payload, size)
            self._deliveries.add(sends, lambda send: send())
        return receivers

    def is_much(self, receivers: int) -> bool:
        """Whether a client that has published to so many has to rest."""
        return receivers + len(self._patterns) > MANY or not self._deliveries.is_done

    def _sends(
        self, channel: bytes, patterns: list[bytes], payload: bytes, size: int
    ) -> Iterator[partial[None]]:
        """Who is subscribed is listed when it is this message's turn, not for all that wait."""
        message = Message(b"message", channel, payload)
        for client in tuple(self._channels.get(channel, ())):
            yield partial(_send, client, channel, message)
        for pattern in patterns:
            if (found := self._patterns.get(pattern)) is not None:
                message = Message(b"pmessage", pattern, channel, payload)
                for client in tuple(found.clients):
                    yield partial(_send_to_pattern, client, pattern, message)
        self._budget.give(size)

    # ---- what PUBSUB tells

    def names(self, pattern: bytes | None) -> list[bytes]:
        """The channels that have subscribers, and match. O(channels)."""
        if pattern is None:
            return list(self._channels)
        expression = matcher(pattern)
        return [name for name in self._channels if expression.fullmatch(name) is not None]

    def subscribers(self, channel: bytes) -> int:
        return len(self._channels.get(channel, ()))

    @property
    def patterns(self) -> int:
        """Different ones."""
        return len(self._patterns)

    def __len__(self) -> int:
        return len(self._channels)


def _send(client: Session, channel: bytes, message: Message) -> None:
    if client.subscribed is not None and channel in client.subscribed.channels:
        client.push(message.of(client.protocol))


def _send_to_pattern(client: Session, pattern: bytes, message: Message) -> None:
    if client.subscribed is not None and pattern in client.subscribed.patterns:
        client.push(message.of(client.protocol))


def _cost_of(channel: bytes) -> int:
    return len(channel) + SUBSCRIPTION_BYTES


def _cost_of_pattern(pattern: bytes) -> int:
    return len(pattern) * PATTERN_PART + SUBSCRIPTION_BYTES
