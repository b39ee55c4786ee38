"""A message for the operators of a pod, published as a Kubernetes Event if Events are enabled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Announcement:
    """`reason` and `action` are words in CamelCase; `note` is one or more sentences."""

    reason: str
    action: str
    note: str
    problem: bool = True
