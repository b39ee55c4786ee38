"""Limits of one listener on connections and time: the same for every protocol."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one server. Defaults fit one application in one pod."""

    connections: int = 2048
    """Further connections get a 503, unless one that is silent gives way."""
    silent_seconds: float = 1.0
    """How long a connection has begun and answered no request before it may be closed for a new
    one, at the limit of connections."""
    refusals: int = 256
    """Connections that may receive their 503 at the same time; further ones are closed without."""
    idle_seconds: float = 75.0
    """How long a connection may be idle, or take to send the head of a request."""
    body_seconds: float = 30.0
    """How long a body may take, so that a slow client cannot hold buffers for long."""
    send_seconds: float = 30.0
    """How long a client may take to read a reply."""
    linger_seconds: float = 1.0
    """How long the rest of a refused request is dropped, so that its sender gets the reply."""
    pace_seconds: float = 0.0
    """The least time between two pieces that are read from a connection."""


OPS_LIMITS = Limits(
    connections=64,
    silent_seconds=0.0,
    refusals=16,
    idle_seconds=10.0,
    body_seconds=1.0,
    send_seconds=5.0,
    pace_seconds=0.25,
)
"""For a port that other pods reach, and on which nobody asks often. A new connection always finds
room, since it may be the kubelet's.
"""
