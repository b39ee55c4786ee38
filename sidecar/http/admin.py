"""The rest of the data API: invalidate, keys, stats, config, and the description of it all."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import msgspec

from sidecar.api.values import MAX_TTL_SECONDS
from sidecar.http.batch import BatchApi
from sidecar.http.bodies import decoded, sends_messagepack
from sidecar.http.data import PREFIX, problem_of
from sidecar.http.messages import JSON_HEADER, Reply, Request
from sidecar.http.optimizer import OptimizerApi
from sidecar.http.parameters import parameters
from sidecar.http.problems import ProblemError, retry_later
from sidecar.http.server import Table
from sidecar.http.signals import SignalsApi
from sidecar.model.clock import Clock
from sidecar.model.entry import join, name_error, split
from sidecar.model.errors import WriteError
from sidecar.model.snapshot import Snapshot, TierSnapshot
from sidecar.store.listing import BadCursorError, Listed, page
from sidecar.store.snapshot import snapshot
from sidecar.store.store import Store

DEFAULT_PAGE, MAX_PAGE = 100, 1000
SCOPE_BYTES = 64 << 10


class Scope(msgspec.Struct, forbid_unknown_fields=True):
    """The body of invalidate: a prefix, or all of a namespace."""

    namespace: str
    prefix: str | None = None
    all: bool = False


class AdminApi:
    """What is not one entry. `describe_config` gives the body of /v1/config."""

    def __init__(
        self, store: Store, clock: Clock, describe_config: Callable[[], dict[str, Any]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._describe_config = describe_config
        self._openapi = files("sidecar.http").joinpath("openapi.json").read_bytes()

    async def invalidate(self, request: Request) -> Reply:
        messagepack = sends_messagepack(request)
        sent = await request.body(SCOPE_BYTES)
        body = decoded(sent, Scope, messagepack=messagepack)
        if (body.prefix is None) is not body.all:
            raise ProblemError(400, 'Say what: "prefix": "some/prefix", or "all": true.')
        prefix = (body.prefix or "").encode()
        wrong = name_error(body.namespace.encode(), prefix or b"-")
        if wrong is not None:
            raise ProblemError(400, wrong)
        try:
            await self._store.invalidate(join(body.namespace, prefix))
        except WriteError as error:
            raise problem_of(error, "the invalidation") from None
        return Reply(204)

    async def keys(self, request: Request) -> Reply:
        query = parameters(request.query, "namespace", "prefix", "cursor", "limit")
        namespace = query.get("namespace", "").encode("utf-8", "surrogateescape")
        prefix = query.get("prefix", "").encode("utf-8", "surrogateescape")
        wrong = name_error(namespace, prefix or b"-")
        if wrong is not None:
            raise ProblemError(400, wrong)
        cursor, limit = _cursor(query.get("cursor", "")), _limit(query.get("limit"))
        scope = namespace + b"/" + prefix
        try:
            listed, following = await page(self._store, self._clock, scope, cursor, limit)
        except BadCursorError:
            raise ProblemError(400, "This cursor is of no page; start without one.") from None
        except TimeoutError:
            raise retry_later("L3 did not answer in time; ask for this page again.") from None
        body = {
            "keys": [self._described(row) for row in listed],
            "cursor": None
            if following is None
            else base64.urlsafe_b64encode(following).decode().rstrip("="),
        }
        return Reply(200, JSON_HEADER, msgspec.json.encode(body))

    async def stats(self, _request: Request) -> Reply:
        return Reply(200, JSON_HEADER, msgspec.json.encode(described(snapshot(self._store))))

    async def config(self, _request: Request) -> Reply:
        return Reply(200, JSON_HEADER, msgspec.json.encode(self._describe_config()))

    async def openapi(self, _request: Request) -> Reply:
        return Reply(200, JSON_HEADER, self._openapi)

    def _described(self, row: Listed) -> dict[str, Any]:
        namespace, key = split(row.key)
        left = row.expires_at - self._clock()
        return {
            "key": key.decode("utf-8", "replace"),
            "path": f"{PREFIX}{namespace}/{quote(key, safe='/')}",
            "tier": row.tier,
            "size": row.size,
            "ttl": max(0, math.floor(left)) if left < MAX_TTL_SECONDS else None,
        }


def table(batch: BatchApi, admin: AdminApi, optimizer: OptimizerApi, signals: SignalsApi) -> Table:
    """Every path of the data API but the entries'. What shows and steers is never turned away."""
    return Table(
        {
            "/v1/mget": {"POST": ("mget", batch.mget)},
            "/v1/mset": {"POST": ("mset", batch.mset)},
            "/v1/mdelete": {"POST": ("mdelete", batch.mdelete)},
            "/v1/invalidate": {"POST": ("invalidate", admin.invalidate)},
            "/v1/keys": {"GET": ("keys", admin.keys)},
            "/v1/stats": {"GET": ("stats", admin.stats)},
            "/v1/config": {"GET": ("config", admin.config)},
            "/v1/optimizer": {"GET": ("optimizer", optimizer.overview)},
            "/v1/optimizer/rules": {"GET": ("optimizer", optimizer.rules)},
            "/v1/optimizer/outcomes": {"GET": ("optimizer", optimizer.outcomes)},
            "/v1/optimizer/run": {"POST": ("optimizer", optimizer.run)},
            "/v1/optimizer/reset": {"POST": ("optimizer", optimizer.reset)},
            "/v1/signals": {"GET": ("signals", signals.course)},
            "/openapi.json": {"GET": ("openapi", admin.openapi)},
        },
        waiting={"/v1/mget", "/v1/mset", "/v1/mdelete", "/v1/invalidate", "/v1/keys"},
        parametrized={"/v1/keys", "/v1/signals", "/v1/optimizer/run"},
    )


def described(state: Snapshot) -> dict[str, Any]:
    """The body of /v1/stats."""
    counts = state.counts
    return {
        "hit_ratio": counts.hit_ratio,
        "hits": counts.hits,
        "misses": counts.misses,
        "tiers": {tier.tier: _tier(tier) for tier in state.tiers},
        "l3": {
            "state": state.l3_state,
            "folder_bytes": state.l3_folder_bytes,
            "pending_compaction_bytes": state.l3_pending_compaction_bytes,
            "waiting": state.l3_waiting,
            "timeouts": counts.timeouts,
        },
        "warmed": counts.warmed,
    }


def _tier(tier: TierSnapshot) -> dict[str, Any]:
    counts = tier.counts
    return {
        "enabled": tier.enabled,
        "policy": tier.policy,
        "entries": tier.entries,
        "max_entries": tier.max_entries,
        "used_bytes": tier.used_bytes,
        "max_bytes": tier.max_bytes,
        "hits": counts.hits,
        "misses": counts.misses,
        "expired": counts.expired,
        "evictions": counts.evictions,
        "expirations": counts.expirations,
        "promotions": counts.promotions,
        "demotions": counts.demotions,
    }


def _cursor(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ProblemError(400, "This cursor is of no page; start without one.") from None


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_PAGE
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_PAGE):
        raise ProblemError(400, f"limit is a number from 1 to {MAX_PAGE}.")
    return int(text)
