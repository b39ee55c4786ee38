"""The keys of `warmers.yaml`, as pydantic models; see schema.py.

The keys of a source are models of their own, of the kinds of sources in the vocabulary.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from sidecar.config.schedules import Schedule
from sidecar.config.schema import Namespace, Size, between
from sidecar.config.section import UNSTATED, Section
from sidecar.config.wording import shown

MAX_WARMERS = 20
"""A limit, since each has time series of its own."""
MAX_ENTRIES_PER_SECOND = 1_000_000
_NAME = re.compile(r"[a-z0-9_-]{1,63}")


def _name(name: str) -> str:
    if _NAME.fullmatch(name):
        return name
    raise ValueError(f"{shown(name)} is not a name; write 1 to 63 of a-z, 0-9, _ and -")


def _schedule(value: object) -> Schedule:
    if isinstance(value, str):
        return Schedule(value)
    raise ValueError(f'{shown(value)} is not a cron expression; write for example "0 4 * * *"')


class Rate(Section):
    """`warmers[].rate`."""

    entries: Annotated[int, Field(ge=1, le=MAX_ENTRIES_PER_SECOND)] = UNSTATED
    bytes: Size = UNSTATED


class Warmer(Section):
    """`warmers[]`."""

    name: Annotated[str, AfterValidator(_name)]
    namespace: Namespace = UNSTATED
    source: dict[str, Any]
    on_start: bool = UNSTATED
    schedule: Annotated[Any, BeforeValidator(_schedule)] = UNSTATED
    jitter: Annotated[float, BeforeValidator(between("0s", "1d"))] = UNSTATED
    rate: Rate = UNSTATED
    deadline: Annotated[float, BeforeValidator(between("1s", "1d"))] = UNSTATED
    replace: bool = UNSTATED


class Warmers(Section):
    """`warmers.yaml`."""

    warmers: Annotated[list[Warmer], Field(max_length=MAX_WARMERS)] = UNSTATED
