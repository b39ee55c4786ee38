"""What one listener takes on, and the bytes that it buffers: the same for every protocol."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server takes on. Defaults fit one application in one pod."""

    connections: int = 2048
    """Beyond it a connection gets a 503."""
    refusals: int = 256
    """Connections that may be getting their 503 at one time; beyond it they are just ended."""
    buffered_bytes: int = 128 << 20
    """Large bodies under way in both directions; beyond it further ones get a 503."""
    idle_seconds: float = 75.0
    """How long a connection may be idle, or take to send a request's head."""
    body_seconds: float = 30.0
    """How long a body may take: a client that sends a byte a second holds nothing for long."""
    send_seconds: float = 30.0
    """How long a client may take to make room for a reply that it asked for."""
    linger_seconds: float = 1.0
    """How long the rest of a refused request is dropped, so that its sender sees the reply."""
