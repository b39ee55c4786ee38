"""The table of cases: what is measured, ours, the peer, and what must hold.

They vary one thing at a time around values of 256 random bytes and 16 connections. Cases of a group
share servers. Redis and memcached are written in C: where they speak a leaner protocol than the
sidecar, their ratios have no bounds.

One file of more than 300 lines, since it is the table.
"""

from __future__ import annotations

from dataclasses import replace

from tests.bench.filling import MIB, documents
from tests.bench.in_python import InPython
from tests.bench.measuring import (
    ANONYMOUS,
    CPU,
    MAIN_CPU,
    P99,
    RATE,
    RESIDENT,
    Bound,
    Case,
    at_least,
    at_most,
    at_most_times,
)
from tests.bench.overload import LIVEZ, Attacked, ClosedLoop
from tests.bench.servers import (
    Aiohttp,
    Diskcache,
    Interpreter,
    Local,
    Memcached,
    Redis,
    Sidecar,
)
from tests.bench.sides import (
    DEEP,
    MEMCSLAP_BYTES,
    Beside,
    Full,
    Http,
    Idle,
    Memcslap,
    RedisBenchmark,
)

KIB = 1 << 10
MILLION = 1_000_000
ROOMY = "tiers: {l3: {max_entries: 100000000, max_bytes: 64GiB}}\n"
"""L3 evicts nothing."""
ALL_IN_L2 = "promote_after: 1000000000\ntiers: {l1: {max_entries: 1}}\n"
ALL_IN_L3 = ROOMY.replace("{l3", "{l1: {max_entries: 10}, l2: {max_entries: 10}, l3")
"""Memory does not hold what a round has read before the next one reads it again."""
ONLY_L2 = """
promote_after: 1000000000
tiers:
  l1: {max_entries: 1}
  l2: {max_entries: 10000000, max_bytes: 8GiB}
  l3: {enabled: false}
"""
IN_MEMORY = """
durability: memory
tiers:
  l2: {max_entries: 10000, max_bytes: 1GiB}
  l3: {enabled: false}
"""
"""Keeps in memory what a case writes, and evicts nothing, as Redis does without a log."""

Groups = dict[str, tuple[Case, ...]]


def groups(interpreter: Interpreter | None = None, *, is_short: bool = False) -> Groups:
    """All cases by group, the sidecar and its peers in Python with this interpreter."""
    interpreter = interpreter or Local()
    sidecar = Sidecar(interpreter=interpreter, cache=ROOMY)
    return {
        "http": (
            *reads(sidecar, Aiohttp(interpreter=interpreter)),
            *writes(sidecar, Aiohttp(interpreter=interpreter)),
        ),
        "diskcache": against_diskcache(sidecar),
        "redis": against_redis(sidecar),
        "memcached": against_memcached(sidecar),
        "resp": over_resp(sidecar),
        "self": against_itself(Sidecar(cache=ROOMY)),  # also runs modules that no image has
        "overload": overload(sidecar),
        "ops-attack": ops_attack(sidecar),
        "memory": memory(sidecar, MILLION // 10 if is_short else MILLION),
        "keys": (many_keys(),),
    }


def reads(sidecar: Sidecar, bare: Aiohttp) -> tuple[Case, ...]:
    def case(name: str, what: str, ours: Http, *bounds: Bound) -> Case:
        theirs = replace(ours, server=bare, keys=min(ours.keys, 100))
        return Case(name, what, ours, theirs, bounds)

    l1 = Http(sidecar, "l1")
    in_l2 = Http(replace(sidecar, cache=ALL_IN_L2), "l2")
    l3 = Http(replace(sidecar, cache=ALL_IN_L3), "l3", keys=DEEP)
    return (
        case("l1-hit", "GET, hit in L1", l1, at_least(1.8)),
        case("l1-hit-1", "GET, hit in L1, 1 connection", replace(l1, connections=1)),
        case(
            "l1-hit-256",
            "GET, hit in L1, 256 connections",
            replace(l1, connections=256),
            at_least(2.3),
        ),
        case("l1-hit-64B", "GET, hit in L1, 64 B", replace(l1, size=64)),
        case("l1-hit-64KiB", "GET, hit in L1, 64 KiB", replace(l1, size=64 * KIB)),
        case("l1-hit-1MiB", "GET, hit in L1, 1 MiB", replace(l1, size=MIB, keys=8)),
        case("l2-hit", "GET, hit in L2", in_l2),
        case(
            "l2-hit-packed",
            "GET, hit in L2, compressed JSON of 4 KiB",
            replace(in_l2, size=4 * KIB, values=documents),
        ),
        case("l3-hit", "GET, hit in L3", l3, at_least(1.2, MAIN_CPU), at_least(0.8)),
        case("l3-hit-1", "GET, hit in L3, 1 connection", replace(l3, connections=1)),
        case("l3-hit-256", "GET, hit in L3, 256 connections", replace(l3, connections=256)),
        case("miss", "GET, miss", Http(sidecar, "miss"), at_least(1.5)),
    )


def writes(sidecar: Sidecar, bare: Aiohttp) -> tuple[Case, ...]:
    def case(name: str, what: str, ours: Http, *bounds: Bound) -> Case:
        return Case(name, what, ours, replace(ours, server=bare), bounds)

    put = Http(sidecar, "written", keys=9_000)
    evicting = Http(replace(sidecar, name="full", cache=""), "written", keys=100_000)
    return (
        case("put", "PUT", put, at_least(0.75), at_least(0.95, RATE)),
        case("put-1", "PUT, 1 connection", replace(put, connections=1)),
        case("put-256", "PUT, 256 connections", replace(put, connections=256)),
        case("put-64KiB", "PUT, 64 KiB", replace(put, size=64 * KIB, keys=1000)),
        case("put-1MiB", "PUT, 1 MiB", replace(put, size=MIB, keys=100)),
        *(
            case(f"put-{it}", f"PUT, durability {it}", replace(put, server=durable(sidecar, it)))
            for it in ("memory", "disk")
        ),
        Case(
            "put-evicting",
            "PUT while L3 is full and evicts",
            evicting,
            replace(evicting, server=replace(sidecar, name="with room")),
            (at_least(0.85),),
        ),
    )


def against_diskcache(sidecar: Sidecar) -> tuple[Case, ...]:
    """Behind the same aiohttp application as the dict, since both are to be reached over HTTP."""
    diskcache = Aiohttp("diskcache", over_diskcache=True)
    got = Http(diskcache, "l3", keys=10_000)
    in_l3 = replace(sidecar, cache=ALL_IN_L3)
    put = Http(diskcache, "written", keys=9_000)
    return (
        Case("diskcache-get", "GET, hit in L3", replace(got, server=in_l3), got),
        Case("diskcache-put", "PUT", replace(put, server=sidecar), put),
    )


def against_redis(sidecar: Sidecar) -> tuple[Case, ...]:
    """Each durability against the one of Redis that promises as much."""
    redis = Redis()

    def reading(name: str, what: str, **options: int) -> Case:
        theirs = RedisBenchmark(redis, "l1", **options)
        ours = Http(sidecar, "l1", theirs.keys, theirs.size, theirs.connections)
        return Case(name, what, ours, theirs)

    def writing(name: str, what: str, durability: str, appendfsync: str) -> Case:
        server = Redis(f"redis {appendfsync}".strip(), appendfsync)
        ours = Http(durable(sidecar, durability), "written", keys=9_000)
        return Case(name, what, ours, RedisBenchmark(server, "written", keys=9_000))

    return (
        reading("redis-get", "GET, hit in L1"),
        reading("redis-get-1", "GET, hit in L1, 1 connection", connections=1),
        reading("redis-get-256", "GET, hit in L1, 256 connections", connections=256),
        reading("redis-get-64KiB", "GET, hit in L1, 64 KiB", size=64 * KIB),
        writing("redis-set", "PUT, durability memory", "memory", ""),
        writing("redis-set-log", "PUT, against a log", "process", "everysec"),
        writing("redis-set-fsync", "PUT, durability disk, against fsync", "disk", "always"),
    )


def against_memcached(sidecar: Sidecar) -> tuple[Case, ...]:
    memcached = Memcached()
    l1 = Http(sidecar, "l1", size=MEMCSLAP_BYTES)
    put = Http(durable(sidecar, "memory"), "written", keys=9_000, size=MEMCSLAP_BYTES)
    return (
        Case("memcached-get", "GET, hit in L1, 2.5 KiB", l1, Memcslap(memcached, "get")),
        Case(
            "memcached-get-256",
            "GET, hit in L1, 2.5 KiB, 256 connections",
            replace(l1, connections=256),
            Memcslap(memcached, "get", 256),
        ),
        Case(
            "memcached-set",
            "PUT, durability memory, 2.5 KiB",
            put,
            Memcslap(memcached, "set"),
        ),
    )


def over_resp(sidecar: Sidecar) -> tuple[Case, ...]:
    """Redis, memcached and clients in Python against the same protocol, or the closest one."""
    return (
        *resp_reads(sidecar, Redis()),
        *resp_writes(sidecar, Redis()),
        *resp_memcached(sidecar, Memcached()),
        *resp_in_python(sidecar),
    )


def resp_reads(sidecar: Sidecar, redis: Redis) -> tuple[Case, ...]:
    def case(name: str, what: str, ours: RedisBenchmark, *bounds: Bound) -> Case:
        theirs = replace(ours, server=redis)
        return Case(f"resp-get{name}", f"GET over RESP, {what}", ours, theirs, bounds)

    l1 = RedisBenchmark(sidecar, "l1")
    in_l2 = RedisBenchmark(replace(sidecar, cache=ALL_IN_L2), "l2")
    in_l3 = RedisBenchmark(replace(sidecar, cache=ALL_IN_L3), "l3", keys=DEEP)
    return (
        case("", "hit in L1", l1, at_most_times(1.05)),
        case("-1", "hit in L1, 1 connection", replace(l1, connections=1)),
        case("-256", "hit in L1, 256 connections", replace(l1, connections=256)),
        case("-p16", "hit in L1, pipelines of 16", replace(l1, pipeline=16), at_most_times(2.0)),
        case("-64B", "hit in L1, 64 B", replace(l1, size=64)),
        case("-64KiB", "hit in L1, 64 KiB", replace(l1, size=64 * KIB)),
        case("-1MiB", "hit in L1, 1 MiB", replace(l1, size=MIB, keys=8)),
        case("-l2", "hit in L2", in_l2),
        case("-l3", "hit in L3", in_l3),
        case("-miss", "miss", replace(l1, answered="miss")),
    )


def resp_writes(sidecar: Sidecar, redis: Redis) -> tuple[Case, ...]:
    """Each durability against the one of Redis that promises as much."""

    def case(name: str, what: str, ours: RedisBenchmark, *bounds: Bound) -> Case:
        return Case(
            f"resp-set{name}",
            f"SET over RESP, {what}",
            ours,
            replace(ours, server=log if ours.server is sidecar else redis),
            bounds,
        )

    log = Redis("redis everysec", "everysec")
    alone = RedisBenchmark(replace(sidecar, cache=IN_MEMORY), "written", keys=9_000)
    above_l3 = replace(alone, server=durable(sidecar, "memory"))
    safe = replace(alone, server=sidecar)
    few = "2 pipelines of 16"  # with L3, more than 32 in flight may be refused
    return (
        case("", "without L3", alone, at_most_times(1.25)),
        case("-1", "without L3, 1 connection", replace(alone, connections=1)),
        case("-256", "without L3, 256 connections", replace(alone, connections=256)),
        case(
            "-p16", "without L3, pipelines of 16", replace(alone, pipeline=16), at_most_times(2.8)
        ),
        case("-64B", "without L3, 64 B", replace(alone, size=64)),
        case("-64KiB", "without L3, 64 KiB", replace(alone, size=64 * KIB, keys=1000)),
        case("-1MiB", "without L3, 1 MiB", replace(alone, size=MIB, keys=100)),
        case("-memory", "durability memory", above_l3),
        case(
            "-memory-p16",
            f"durability memory, {few}",
            replace(above_l3, connections=2, pipeline=16),
        ),
        case("-log", "against a log", safe),
        case("-log-p16", f"against a log, {few}", replace(safe, connections=2, pipeline=16)),
    )


def resp_memcached(sidecar: Sidecar, memcached: Memcached) -> tuple[Case, ...]:
    got = RedisBenchmark(sidecar, "l1", size=MEMCSLAP_BYTES)
    put = RedisBenchmark(replace(sidecar, cache=IN_MEMORY), "written", 9_000, MEMCSLAP_BYTES)
    return (
        Case(
            "resp-memcached-get",
            "GET over RESP, hit in L1, 2.5 KiB",
            got,
            Memcslap(memcached, "get"),
        ),
        Case(
            "resp-memcached-set",
            "SET over RESP, without L3, 2.5 KiB",
            put,
            Memcslap(memcached, "set"),
        ),
    )


def resp_in_python(sidecar: Sidecar) -> tuple[Case, ...]:
    """One client, which waits for each answer; of diskcache, only what it gets done is known."""
    l1 = InPython(sidecar, "l1")
    l3 = InPython(replace(sidecar, cache=ALL_IN_L3), "l3", keys=10_000)
    put = InPython(sidecar, "written", keys=9_000)

    def case(name: str, what: str, ours: InPython, server: Redis | Diskcache) -> Case:
        figure = RATE if isinstance(server, Diskcache) else CPU
        theirs = replace(ours, server=server)
        return Case(f"resp-py-{name}", f"redis-py, {what}", ours, theirs, figure=figure)

    return (
        case("get", "GET, hit in L1", l1, Redis()),
        case("set", "SET, against a log", put, Redis("redis everysec", "everysec")),
        case("diskcache-get", "GET, hit in L1", l1, Diskcache()),
        case("diskcache-get-l3", "GET, hit in L3", l3, Diskcache()),
        case("diskcache-set", "SET", put, Diskcache()),
    )


def against_itself(sidecar: Sidecar) -> tuple[Case, ...]:
    """The sidecar against one that differs in one thing."""
    still = replace(sidecar, rules="enabled: false\n")
    uncounted = replace(still, name="uncounted", module="tests.bench.uncounted")
    deep = replace(sidecar, in_l3=DEEP)
    disks = [replace(deep, name=f"disk {ms} ms", slow_disk_ms=ms) for ms in (200, 0)]
    slow, fast = (Http(disk, "l1", keys=50) for disk in disks)
    return (
        Case(
            "metrics",
            "GET, hit in L1, with metrics and scraped",
            Http(replace(still, is_scraped=True), "l1"),
            Http(uncounted, "l1"),
            (at_least(0.97),),
            rounds=4,
            starts=5,
        ),
        Case(
            "optimizer",
            "GET, hit in L1, with the optimizer",
            Http(sidecar, "l1"),
            Http(replace(still, name="without"), "l1"),
            (at_least(0.98),),
            rounds=11,
        ),
        Case(
            "slow-disk",
            "GET, hit in L1, beside a disk that takes 200 ms",
            Beside(slow),
            fast,
            (at_least(0.9, RATE), Bound(P99, 0.003, "difference", is_ceiling=True)),
            figure=RATE,
        ),
    )


def overload(sidecar: Sidecar) -> tuple[Case, ...]:
    """Connections that always ask again, against as many as never wait."""
    bounds = (at_least(0.9, RATE), Bound(P99, 0.05, "ours", is_ceiling=True))
    in_l1 = ClosedLoop(sidecar, 16)
    in_l3 = ClosedLoop(replace(sidecar, cache=ALL_IN_L3), 16, "l3", DEEP)
    put = ClosedLoop(sidecar, 16, "written", 9_000)

    def case(name: str, what: str, few: ClosedLoop, connections: int) -> Case:
        what = f"{what}, {connections:,} connections that always ask again"
        many = replace(few, connections=connections)
        name = f"overload{name}-{connections}"
        return Case(name, what, many, few, bounds, figure=RATE, rounds=7)

    return (
        *(case("", "GET, hit in L1", in_l1, count) for count in (64, 256, 1000, 2000)),
        *(case("-l3", "GET, hit in L3", in_l3, count) for count in (256, 2000)),
        *(case("-put", "PUT", put, count) for count in (256, 2000)),
    )


def ops_attack(sidecar: Sidecar) -> tuple[Case, ...]:
    """GETs beside an attack on the ops port, against GETs beside clients that take the load's
    processor as often and do not attack.
    """
    load = Http(sidecar, "l1")
    bounds = (at_least(0.8, RATE), Bound(LIVEZ, 1.0, "ours", is_ceiling=True))
    return tuple(
        Case(
            f"attack-{kind}",
            f"GET, hit in L1, beside {connections:,} clients that attack with {kind}",
            Attacked(load, kind, connections),
            Attacked(load, "nothing", 1),
            bounds,
            figure=RATE,
            rounds=7,
        )
        for kind, connections in (
            ("scrapes", 16),
            ("connections", 16),
            ("silence", 2060),
            ("trickle", 64),
            ("pipelines", 64),
        )
    )


def memory(sidecar: Sidecar, entries: int) -> tuple[Case, ...]:
    in_l2 = replace(sidecar, cache=ONLY_L2)
    plain = Full(in_l2, entries)
    packed = Full(replace(in_l2, name="packed"), entries, KIB, documents)
    return (
        Case(
            "memory-plain",
            f"{entries:,} values of 256 B in L2",
            plain,
            replace(plain, server=Redis()),
            (at_most(1.8, RESIDENT),),
            figure=RESIDENT,
            rounds=1,
        ),
        Case(
            "memory-packed",
            f"{entries:,} values of 1 KiB of JSON in L2, compressed",
            packed,
            replace(packed, server=Redis("redis with JSON")),
            (at_most(1.0, RESIDENT),),
            figure=RESIDENT,
            rounds=1,
        ),
        Case(
            "idle",
            "anonymous memory of both processes, idle",
            Idle(Sidecar("idle", interpreter=sidecar.interpreter)),
            bounds=(Bound(ANONYMOUS, 60 * MIB, "ours", is_ceiling=True),),
            figure=ANONYMOUS,
        ),
    )


def many_keys() -> Case:
    """Written by L3's process of this interpreter before both start."""
    counts = (10 * MILLION, 10_000)
    many, few = (Sidecar(f"{keys:,} keys", ALL_IN_L3, in_l3=keys) for keys in counts)
    return Case(
        "keys-10m",
        "GET, hit in L3, 10 million keys in it",
        Http(many, "l3", keys=many.in_l3),
        Http(few, "l3", keys=few.in_l3),
        (at_least(0.85),),
        long=True,
    )


def durable(sidecar: Sidecar, durability: str) -> Sidecar:
    if durability == "process":  # the default
        return sidecar
    return replace(sidecar, cache=f"durability: {durability}\n{sidecar.cache}")
