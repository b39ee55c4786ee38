"""What people around the pod should hear of: it becomes an Event where those are wanted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Announcement:
    """`reason` and `action` are words in CamelCase, `note` is a sentence or more for people."""

    reason: str
    action: str
    note: str
    problem: bool = True
