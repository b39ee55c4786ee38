"""The sections of INFO, with the fields that exporters and clients read.

`used_memory` is that of the tiers in memory, as they count it, and `maxmemory` is their limit.
"""

from __future__ import annotations

import os
import platform
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from sidecar.model.entry import Tier
from sidecar.model.order import HASH_BYTES, HASHES
from sidecar.process.usage import cpu_seconds, resident_bytes
from sidecar.resp.databases import DATABASES, namespace_of
from sidecar.resp.times import NEVER
from sidecar.resp.versioned import REDIS_VERSION
from sidecar.store.scanning import Part
from sidecar.store.snapshot import snapshot

if TYPE_CHECKING:
    from sidecar.resp.service import Service

Fields = Mapping[str, object]
KEYSPACE = "keyspace"
TITLES = {"cpu": "CPU"}
DAY_SECONDS = 86400
POLICIES = {"ttl": "volatile-ttl"}
"""The names of eviction policies in Redis; others are `allkeys-` and ours."""


def sections_of(words: list[str]) -> list[str]:
    """The names of the sections that are wanted, in the order in which they are sent."""
    wanted: set[str] = set()
    for word in words or ["default"]:
        if word in {"all", "everything"}:
            wanted.update(NAMES)
        elif word == "default":
            wanted.update(name for name in NAMES if name != "commandstats")
        else:
            wanted.add(word)
    return [name for name in NAMES if name in wanted]


def text_of(service: Service, names: Iterable[str], listed: Part | None) -> bytes:
    """The text of these sections. `listed` are keys of databases, for the one of the keyspace."""
    parts: list[str] = []
    for name in names:
        if name == KEYSPACE:
            fields = {} if listed is None else _keyspace(service, listed)
        else:
            fields = _SECTIONS[name](service)
        lines = [
            f"# {TITLES.get(name) or name.capitalize()}",
            *(f"{key}:{value}" for key, value in fields.items()),
        ]
        parts.append("".join(f"{line}\r\n" for line in lines))
    return "\r\n".join(parts).encode()


def policy_of(service: Service) -> str:
    policy = service.store.config.tiers.l2.policy
    return POLICIES.get(policy, f"allkeys-{policy}")


def most_bytes(service: Service) -> int:
    """What the tiers in memory may use."""
    tiers = service.store.config.tiers
    return sum(tier.max_bytes for tier in (tiers.l1, tiers.l2) if tier.enabled)


def _server(service: Service) -> Fields:
    seconds = int(service.clock() - service.started_at)
    return {
        "redis_version": REDIS_VERSION.decode(),
        "redis_git_sha1": "00000000",
        "redis_git_dirty": 0,
        "redis_build_id": service.run_id[:16],
        "redis_mode": "standalone",
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "arch_bits": sys.maxsize.bit_length() + 1,
        "monotonic_clock": "POSIX clock_gettime",
        "multiplexing_api": "epoll",
        "process_id": os.getpid(),
        "process_supervised": "no",
        "run_id": service.run_id,
        "server_time_usec": int(service.clock() * 1e6),
        "uptime_in_seconds": seconds,
        "uptime_in_days": seconds // DAY_SECONDS,
        "hz": 10,
        "configured_hz": 10,
        "lru_clock": int(service.clock()) & 0xFFFFFF,
        "executable": sys.executable,
        "config_file": "",
        "io_threads_active": 0,
    }


def _clients(service: Service) -> Fields:
    return {
        "connected_clients": len(service.clients),
        "cluster_connections": 0,
        "maxclients": service.admission.limits.connections,
        "client_recent_max_input_buffer": 0,
        "client_recent_max_output_buffer": 0,
        "blocked_clients": 0,
        "tracking_clients": service.tracker.clients,
        "clients_in_timeout_table": 0,
    }


def _memory(service: Service) -> Fields:
    tiers = snapshot(service.store).tiers
    used = sum(tier.used_bytes for tier in tiers if tier.tier is not Tier.L3)
    resident = resident_bytes(os.getpid()) or 0
    limit = most_bytes(service)
    return {
        "used_memory": used,
        "used_memory_human": _human(used),
        "used_memory_rss": resident,
        "used_memory_rss_human": _human(resident),
        "used_memory_peak": used,
        "used_memory_peak_human": _human(used),
        "used_memory_overhead": 0,
        "used_memory_dataset": used,
        "used_memory_lua": 0,
        "used_memory_scripts": 0,
        "number_of_cached_scripts": len(service.scripts),
        "maxmemory": limit,
        "maxmemory_human": _human(limit),
        "maxmemory_policy": policy_of(service),
        "mem_fragmentation_ratio": f"{resident / used:.2f}" if used else "0.00",
        "mem_clients_normal": service.admission.budget.used_bytes,
        "mem_allocator": "libc",
        "lazyfree_pending_objects": 0,
    }


def _persistence(service: Service) -> Fields:
    saves = service.saves
    return {
        "loading": int(not service.store.started),
        "async_loading": 0,
        "rdb_changes_since_last_save": snapshot(service.store).l3_waiting,
        "rdb_bgsave_in_progress": int(saves.in_progress),
        "rdb_last_save_time": saves.last_at,
        "rdb_last_bgsave_status": "ok" if saves.has_succeeded else "err",
        "rdb_last_bgsave_time_sec": -1,
        "rdb_current_bgsave_time_sec": -1,
        "aof_enabled": 0,
        "aof_rewrite_in_progress": 0,
        "aof_rewrite_scheduled": 0,
        "aof_last_bgrewrite_status": "ok",
        "aof_last_write_status": "ok",
    }


def _stats(service: Service) -> Fields:
    return {
        **service.counts.totals(),
        "instantaneous_ops_per_sec": round(service.counts.rate()),
        "total_net_input_bytes": 0,
        "total_net_output_bytes": 0,
        "sync_full": 0,
        "sync_partial_ok": 0,
        "sync_partial_err": 0,
        "pubsub_channels": len(service.channels),
        "pubsub_patterns": service.channels.patterns,
        "latest_fork_usec": 0,
        "tracking_total_keys": service.tracker.keys,
    }


def _replication(service: Service) -> Fields:
    return {
        "role": "master",
        "connected_slaves": 0,
        "master_failover_state": "no-failover",
        "master_replid": service.run_id,
        "master_replid2": "0" * 40,
        "master_repl_offset": 0,
        "second_repl_offset": -1,
        "repl_backlog_active": 0,
    }


def _cpu(_: Service) -> Fields:
    user, system = cpu_seconds()
    return {"used_cpu_sys": f"{system:.6f}", "used_cpu_user": f"{user:.6f}"}


def _commandstats(service: Service) -> Fields:
    return {
        f"cmdstat_{name}": (
            f"calls={calls},usec={microseconds},usec_per_call={microseconds / calls:.2f},"
            f"rejected_calls=0,failed_calls={failed}"
        )
        for name, (calls, failed, microseconds) in service.counts.commands().items()
    }


def _errorstats(service: Service) -> Fields:
    """By what they are, not by their first word."""
    errors = service.counts.totals()["total_error_replies"]
    return {"errorstat_ERR": f"count={errors}"} if errors else {}


def _cluster(_: Service) -> Fields:
    return {"cluster_enabled": 0}


def _keyspace(service: Service, listed: Part) -> Fields:
    """Counted, or estimated from the part of all keys that was listed."""
    factor, now = HASHES / (listed.end or HASHES), service.clock()
    seconds: dict[bytes, list[float]] = defaultdict(list)
    for place, expires_at in listed.expiries.items():
        seconds[place[HASH_BYTES:].partition(b"/")[0]].append(expires_at - now)
    fields: dict[str, str] = {}
    for name in map(namespace_of, range(DATABASES)):
        if (left := seconds.get(name)) is None:
            continue
        ending = [each for each in left if each != NEVER]
        average = round(1000 * sum(ending) / len(ending)) if ending else 0
        keys, expires = round(len(left) * factor), round(len(ending) * factor)
        fields[name.decode()] = f"keys={keys},expires={expires},avg_ttl={average}"
    return fields


def _human(size: int) -> str:
    """As `bytesToHuman` of Redis."""
    for unit, letter in ((1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")):
        if size >= unit:
            return f"{size / unit:.2f}{letter}"
    return f"{size}B"


_SECTIONS: dict[str, Callable[[Service], Fields]] = {
    "server": _server,
    "clients": _clients,
    "memory": _memory,
    "persistence": _persistence,
    "stats": _stats,
    "replication": _replication,
    "cpu": _cpu,
    "commandstats": _commandstats,
    "errorstats": _errorstats,
    "cluster": _cluster,
}
NAMES = (*_SECTIONS, KEYSPACE)
