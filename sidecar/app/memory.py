"""Keeps the memory in use within the container's limit, which may change while the sidecar runs."""

from __future__ import annotations

import asyncio

import structlog

from sidecar.app.actuators import Actuators
from sidecar.app.settings import StartError
from sidecar.config.memory import LEAST_WITH_L3_BYTES, least_limit_bytes
from sidecar.config.quantities import format_size
from sidecar.config.values import CacheConfig
from sidecar.documents.documents import Documents
from sidecar.process.cgroup import ControlGroup
from sidecar.serving.budget import Budget

LOOK_SECONDS, UNLIMITED_LOOK_SECONDS = 0.1, 1.0
"""Between two looks at the memory, with a limit and without. Until the next one, requests may take
what a limit before allowed.
"""
MARGIN_BYTES = 6 << 20
"""Below the limit, for pages of the programs, which the kernel can free but has to read again."""

log = structlog.get_logger("sidecar.app")


async def keep_within_limit(
    group: ControlGroup, actuators: Actuators, documents: Documents, budget: Budget
) -> None:
    """Run until cancelled."""
    limit = group.memory_limit_bytes()
    say_if_little(documents.document.cache, limit)
    while True:
        await asyncio.sleep(UNLIMITED_LOOK_SECONDS if limit is None else LOOK_SECONDS)
        if limit is not None:
            shrink(budget, limit, group.unreclaimable_bytes())
        before, limit = limit, group.memory_limit_bytes()
        if limit != before:
            log.info("Memory limit changed", limit_bytes=limit, before_bytes=before)
            actuators.limit_memory(limit)
            await documents.refit()
            say_if_little(documents.document.cache, limit)


def say_if_little(cache: CacheConfig, limit_bytes: int | None) -> None:
    """Log what the sidecar does without in a small container."""
    if limit_bytes is None or limit_bytes >= LEAST_WITH_L3_BYTES:
        return
    log.warning(
        "Running with little memory",
        limit_bytes=limit_bytes,
        without="L3",
        l1_bytes=cache.tiers.l1.max_bytes,
        l2_bytes=cache.tiers.l2.max_bytes,
        max_value_bytes=cache.max_value_bytes,
    )


def refuse_too_little(limit_bytes: int | None) -> None:
    """Raises StartError for a memory limit with which the kernel would soon end the sidecar."""
    least = least_limit_bytes()
    if limit_bytes is not None and limit_bytes < least:
        raise StartError(
            f"the container's memory limit is {format_size(limit_bytes)}, and the sidecar needs "
            f"{format_size(least)} at least, without L3; raise the limit"
        )


def shrink(budget: Budget, limit_bytes: int, used_bytes: int | None) -> None:
    """Let requests have no more than the rest of the container leaves, by what it really takes."""
    if used_bytes is not None:
        others = max(0, used_bytes - budget.used_bytes)
        budget.resize(budget.most_bytes, max(0, limit_bytes - MARGIN_BYTES - others))
