"""Limits of one listener on connections, buffers and time: the same for every protocol."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one server. Defaults fit one application in one pod."""

    connections: int = 2048
    """Further connections get a 503."""
    refusals: int = 256
    """Connections that may receive their 503 at the same time; further ones are closed without."""
    buffered_bytes: int = 128 << 20
    """Bytes of large bodies in progress, in both directions; further ones get a 503."""
    idle_seconds: float = 75.0
    """How long a connection may be idle, or take to send the head of a request."""
    body_seconds: float = 30.0
    """How long a body may take, so that a slow client cannot hold buffers for long."""
    send_seconds: float = 30.0
    """How long a client may take to read a reply."""
    linger_seconds: float = 1.0
    """How long the rest of a refused request is dropped, so that its sender gets the reply."""
