"""CLIENT TRACKING: replies and invalidations as those of a real redis-server, whoever writes, and
the bounds of what is remembered.

More than 300 lines, most of them scripts that both servers are asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from sidecar.config.values import CacheConfig
from sidecar.resp import tracking
from sidecar.serving.budget import Budget
from tests.resp.peers import Serving, Talk, play, redis_server, serving
from tests.running import wait_until
from tests.store.harness import Harness


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with redis_server(Path(tmp_path_factory.mktemp("redis"))) as port:
        yield port


@pytest.fixture
def sidecar() -> Iterator[Serving]:
    with serving() as running:
        yield running


def invalidated(*names: str) -> bytes:
    """The push of RESP3."""
    keys = b"".join(b"$%d\r\n%b\r\n" % (len(name), name.encode()) for name in names)
    return b">2\r\n$10\r\ninvalidate\r\n*%d\r\n%b" % (len(names), keys)


FLUSHED = b">2\r\n$10\r\ninvalidate\r\n_\r\n"

SCRIPTS = {
    "a key is told of once, until it is read again": """
        a: client tracking on
        a: get k1
        b: set k1 1
        b: set k1 2
        a: get k1
        a: get k1
        b: del k1
        b: set k2 1
    """,
    "every command that only reads is tracked": """
        b: mset s1 1 s2 2 s3 3 s4 4 s5 5 s6 6
        a: client tracking on
        a: mget s1 s2
        a: exists s3
        a: strlen s4
        a: ttl s5
        a: getrange s6 0 1
        a: type s7
        b: mset s1 1 s2 2 s3 3 s4 4 s5 5 s6 6 s7 7
        a: getset s1 0
        a: set s2 0 GET
        b: mset s1 1 s2 2
    """,
    "writers of every kind invalidate": """
        b: set w1 1
        a: client tracking on
        a: get w1
        b: incr w1
        a: get w1
        b: append w1 x
        a: get w1
        b: expire w1 100
        a: get w1
        b: persist w1
        a: get w1
        b: setrange w1 0 x
        a: get w1
        b: rename w1 w2
        a: get w2
        b: getdel w2
        a: get w2
        b: set w2 1 NX
        a: get w2
        b: set w2 1 NX
        b: multi | set w2 3 | exec
    """,
    "what it writes itself it is told behind the reply": """
        a: client tracking on
        a: get o1
        a: set o1 1
        a: get o1 | set o1 2 | get o1 | del o1
        a: multi | get o2 | set o2 1 | exec
        a: set o2 2
    """,
    "NOLOOP": """
        a: client tracking on noloop
        a: get n1
        a: set n1 1
        b: set n1 2
        a: get n1
        b: set n1 3
        a: client tracking off
        a: get n1
        b: set n1 4
    """,
    "OPTIN": """
        a: client tracking on optin
        a: get i1
        b: set i1 1
        a: client caching yes | get i1
        b: set i1 2
        a: client caching yes | client getname | get i1 | get i2
        b: mset i1 3 i2 3
        a: client caching yes | multi | get i1 | get i2 | exec | get i3
        b: mset i1 3 i2 3 i3 3
        a: client trackinginfo
    """,
    "OPTOUT": """
        a: client tracking on optout
        a: get p1
        b: set p1 1
        a: client caching no | get p1
        b: set p1 2
        a: client caching no | multi | get p1 | exec | get p2
        b: mset p1 3 p2 3
        a: client caching no | client trackinginfo
    """,
    "a command that is rejected was the next one": """
        a: client tracking on optout
        a: client caching no | get x1 x | get x1
        b: set x1 1
        a: client caching no | nope | get x1
        b: set x1 2
        a: client caching no | watch x2 | get x1
        b: set x1 3
        a: multi | client caching no | exec x | get x1
        b: set x1 4
    """,
    "tracking ends, and begins again": """
        a: client tracking on
        a: get e1
        a: get e2
        a: client tracking off
        b: set e1 1
        a: client tracking on
        b: set e2 1
        a: get e3
        a: client tracking off
        a: client tracking on bcast prefix zzz
        b: set e3 1
        a: reset
        b: set zzz1 1
        b: set e3 1
    """,
    "two databases": """
        a: client tracking on
        a: get d1
        a: select 1
        a: get d2
        b: set d1 1
        b: select 1
        b: set d2 1
    """,
    "BCAST": """
        a: client tracking on bcast
        b: set b1 1
        b: set b1 1
        b: mset b3 1 b2 2 b1 3
        a: set b1 1
        a: get b1
        a: client tracking on bcast noloop
        a: set b1 1
        a: set b1 1 | get b1
        b: del b1
    """,
    "BCAST with prefixes": """
        a: client tracking on bcast prefix x: prefix y:
        c: client tracking on bcast noloop prefix x:
        b: mset x:1 1 y:1 1 z:1 1
        b: set x 1
        c: mset x:1 1 x:2 2 y:2 2
        a: mset x:1 1 y:1 1
        a: client tracking on bcast prefix z:
        b: mset x:1 1 y:1 1 z:1 1
        a: client trackinginfo
        c: client trackinginfo
        a: client tracking off
        b: mset x:1 1 y:1 1 z:1 1
    """,
}

REDIRECT = {
    "to a client of RESP2 that is subscribed": """
        b: subscribe __redis__:invalidate
        a: client tracking on redirect {b}
        a: client getredir
        a: client trackinginfo
        a: get r1
        a: get r2
        c: set r1 1
        a: set r2 1
        a: get r1
        b: unsubscribe
        c: set r1 2
        a: get r1
        b: subscribe other
        c: set r1 2
    """,
    "to a client of RESP2, BCAST": """
        b: subscribe __redis__:invalidate
        a: client tracking on redirect {b} bcast prefix q
        c: mset q1 1 q2 2 r 1
        a: set q1 1
        a: client tracking on redirect {b} bcast noloop prefix s
        a: set s1 1
        c: set s1 1
    """,
    "nobody to tell": """
        a: client tracking on
        a: get t1
        b: set t1 1
        a: client tracking on redirect {b}
        a: get t1
        b: set t1 1
    """,
}

OPTIONS = """
    a: client trackinginfo
    a: client getredir
    a: client caching yes
    a: client tracking
    a: client tracking maybe
    a: client tracking on redirect
    a: client tracking on redirect 99999
    a: client tracking on redirect x
    a: client tracking on redirect {b} redirect {b}
    a: client tracking on prefix
    a: client tracking on prefix a
    a: client tracking on nonsense
    a: client tracking off nonsense
    a: client tracking off prefix a
    a: client tracking on bcast optin
    a: client tracking on bcast optout
    a: client tracking on optin optout
    a: client tracking on bcast prefix a prefix ab
    a: client tracking on bcast prefix b prefix a prefix b
    a: client tracking on bcast prefix b prefix a
    a: client tracking on bcast prefix ab
    a: client tracking on bcast prefix f
    a: client trackinginfo
    a: client tracking on
    a: client tracking on bcast
    a: client trackinginfo
    a: client tracking on bcast prefix g
    a: client tracking off
    a: client trackinginfo
    a: client tracking on optin
    a: client caching
    a: client caching maybe
    a: client caching no
    a: client caching yes | client trackinginfo
    a: client trackinginfo
    a: client tracking on optout
    a: client tracking on bcast
    a: client tracking on noloop
    a: client trackinginfo
    a: client caching yes
    a: client tracking on optout
    a: client caching no | client trackinginfo
    a: client tracking on redirect {a}
    a: client getredir
"""


@pytest.mark.parametrize("name", SCRIPTS)
def test_invalidations_are_those_of_redis(redis: int, sidecar: Serving, name: str) -> None:
    """The same script on the same connections of RESP3 gives the same bytes."""
    script = "a: hello 3\nc: hello 3\n" + SCRIPTS[name]
    assert play(sidecar.port, script)[2:] == play(redis, script)[2:]


@pytest.mark.parametrize("name", REDIRECT)
def test_redirected_invalidations_are_those_of_redis(
    redis: int, sidecar: Serving, name: str
) -> None:
    """In RESP2."""
    assert play(sidecar.port, REDIRECT[name]) == play(redis, REDIRECT[name])


@pytest.mark.parametrize("protocol", [2, 3])
def test_options_are_checked_as_by_redis(redis: int, sidecar: Serving, protocol: int) -> None:
    """All of them, in all orders that lead to errors of their own."""
    script = f"a: hello {protocol}\n{OPTIONS}\nb: ping"
    assert play(sidecar.port, script)[1:] == play(redis, script)[1:]


@pytest.fixture
def near(sidecar: Serving) -> Talk:
    """A client of RESP3 that tracks."""
    return tracks(sidecar)


def tracks(sidecar: Serving, options: str = "") -> Talk:
    talk = sidecar.connect()
    talk.ask("hello 3")
    assert talk.ask(f"client tracking on {options}") == b"+OK\r\n"
    return talk


def test_a_writer_of_another_protocol_invalidates(sidecar: Serving, near: Talk) -> None:
    """Whoever writes to the store."""
    near.ask("get k")
    sidecar.wait(sidecar.store.put(b"db0/k", b"1", "text/plain", 60.0))
    assert near.rest() == invalidated("k")
    near.ask("get k")
    sidecar.wait(sidecar.store.delete(b"db0/k"))
    assert near.rest() == invalidated("k")


def test_a_flush_of_a_database_is_told_to_all(sidecar: Serving, near: Talk) -> None:
    """Once, as null, to those too that have read nothing; what was remembered is forgotten."""
    broadcast = tracks(sidecar, "bcast")
    near.ask("get k")
    sidecar.wait(sidecar.store.invalidate(b"db3/"))
    assert near.rest() == FLUSHED
    assert broadcast.rest() == FLUSHED
    assert sidecar.do(lambda: sidecar.service.tracker.keys) == 0


def test_an_invalidated_prefix_is_told_by_its_keys(sidecar: Serving, near: Talk) -> None:
    """Those that the client has read; a client of BCAST does not say what it has read, so it is
    told that all is gone if its prefixes may be of it.
    """
    broadcast = tracks(sidecar, "bcast prefix us")
    other = tracks(sidecar, "bcast prefix x")
    near.ask("mget user:1 user:2 group:1")
    sidecar.wait(sidecar.store.invalidate(b"db0/user:"))
    assert near.rest() == invalidated("user:1", "user:2")
    assert broadcast.rest() == FLUSHED
    assert other.rest() == b""
    assert near.ask("set group:1 1") == b"+OK\r\n" + invalidated("group:1")


def test_another_namespace_is_no_flush(sidecar: Serving, near: Talk) -> None:
    """Only keys that were read there."""
    near.ask("get k")
    near.ask("select sessions")
    near.ask("get s")
    sidecar.wait(sidecar.store.invalidate(b"sessions/"))
    assert near.rest() == invalidated("s")


def test_a_key_that_expires_is_told_of(sidecar: Serving, near: Talk) -> None:
    """In the default mode and in BCAST: a near cache knows no lives."""
    broadcast, other = tracks(sidecar, "bcast prefix k"), sidecar.connect()
    other.ask("mset k 1 long 2")
    other.ask("pexpire k 300")
    broadcast.rest()
    other.ask("expire long 1000")
    assert near.ask("get k") == b"$1\r\n1\r\n"
    assert broadcast.ask("get k") == b"$1\r\n1\r\n"
    near.ask("get long")
    assert near.wait_for(invalidated("k")) == invalidated("k")
    assert broadcast.wait_for(invalidated("k")) == invalidated("k")
    assert near.ask("get k") == b"_\r\n"


def test_a_longer_life_is_not_told_of_early(sidecar: Serving, near: Talk) -> None:
    """The time of expiry is that of the version that was read last."""
    other = sidecar.connect()
    other.ask("set k 1 px 100")
    near.ask("get k")
    other.ask("set k 2 px 600")
    assert near.rest() == invalidated("k")
    other.ask("set early 1 px 300")
    near.ask("mget k early")
    assert near.wait_for(invalidated("early")) == invalidated("early")
    assert near.wait_for(invalidated("k")) == invalidated("k")


def test_due_keys_that_are_forgotten_take_no_memory(sidecar: Serving, near: Talk) -> None:
    """Reading and writing one key again and again leaves one time of expiry, or few."""
    other = sidecar.connect()
    for _ in range(2 * tracking.AT_ONCE):
        other.ask("set k 1 ex 1000")
        near.ask("get k")
    assert len(sidecar.service.tracker._due) <= tracking.AT_ONCE + 8


def test_what_is_remembered_is_bounded(
    sidecar: Serving, near: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound, the key that was read longest ago is said to have changed."""
    monkeypatch.setattr(tracking, "MOST_KEYS", 3)
    near.ask("mget a b c")
    near.ask("get a")
    assert near.ask("get d") == b"_\r\n" + invalidated("b")
    assert sidecar.do(lambda: sidecar.service.tracker.keys) == 3
    assert sidecar.connect().ask("mset a 1 b 2 c 3 d 4") == b"+OK\r\n"
    assert near.rest() == invalidated("a") + invalidated("c") + invalidated("d")


def test_what_is_remembered_takes_memory_from_the_budget() -> None:
    """A part of it; what can't be remembered is said to have changed at once, behind the reply."""
    with serving(Budget(tracking.BUDGET_PART * 4096)) as sidecar:
        talk = tracks(sidecar)
        long = "x" * 900
        for number in range(20):
            talk.ask(f"get {long}{number}")
        used = sidecar.budget.used_bytes
        assert 2048 < used <= 4096
        sidecar.do(lambda: sidecar.budget.take(sidecar.budget.most_bytes - used))
        told = talk.ask("mget " + " ".join(f"key{number}" for number in range(20)))
        assert told.endswith(invalidated("key19")) or told.count(b"invalidate") >= 15
        sidecar.do(lambda: sidecar.budget.give(sidecar.budget.most_bytes - used))
        talk.close()
        wait_until(lambda: sidecar.budget.used_bytes == 0, "its memory is given back")


def test_nothing_is_followed_without_need(sidecar: Serving) -> None:
    """Writes pay for tracking only while somebody has read a key."""
    watched = sidecar.store.watched
    talk = tracks(sidecar)
    assert not watched.any
    talk.ask("get k")
    assert watched.any
    talk.ask("set k 1")
    assert not watched.any
    talk.ask("get k")
    talk.close()
    wait_until(lambda: not watched.any, "what a client has read is forgotten with it")


def test_prefixes_are_bounded(sidecar: Serving) -> None:
    """In their number and their length, and they take memory from the budget."""
    talk = sidecar.connect()
    many = " ".join(f"prefix {number:04}" for number in range(tracking.MOST_PREFIXES + 1))
    assert talk.ask(f"client tracking on bcast {many}").startswith(b"-ERR A client may have 256")
    long = "x" * 1025
    assert talk.ask(f"client tracking on bcast prefix {long}").startswith(b"-ERR A prefix is at")
    assert talk.ask("client tracking on bcast prefix a") == b"+OK\r\n"
    assert sidecar.budget.used_bytes
    talk.ask("reset")
    assert not sidecar.budget.used_bytes


def test_a_redirect_to_a_client_that_is_gone_is_told(sidecar: Serving) -> None:
    """By a push of its own, and in TRACKINGINFO."""
    gone, other = sidecar.connect(), sidecar.connect()
    number = gone.ask("client id").decode()[1:-2]
    talk = tracks(sidecar, f"redirect {number}")
    talk.ask("get k")
    gone.close()
    wait_until(lambda: int(number) not in sidecar.service.clients, "it is gone")
    other.ask("set k 1")
    assert talk.rest() == b">2\r\n$21\r\ntracking-redir-broken\r\n:%d\r\n" % int(number)
    assert b"broken_redirect" in talk.ask("client trackinginfo")
    assert b" flags=tR " in talk.ask("client info")


# ---- with L3


@pytest.fixture
def l3(tmp_path: Path) -> Iterator[tuple[Serving, Harness]]:
    """A listener over a real RocksDB that answers when it is told to."""
    config = replace(CacheConfig(), durability="memory")
    harness = Harness(tmp_path, config, seed=1)
    sidecar = Serving(lambda _: harness.store, lambda: harness.now, Budget())
    yield sidecar, harness
    sidecar.close()
    harness.close()


def test_a_write_while_a_read_waits_for_l3_is_told_behind_it(
    l3: tuple[Serving, Harness],
) -> None:
    """The client has the new value, or is told that the old one has gone: here, both replies are
    of the new version, and a later write is told of.
    """
    sidecar, harness = l3
    talk, other = tracks(sidecar), sidecar.connect()
    sidecar.do(harness.serve)
    talk.send("get", "k")
    wait_until(lambda: _waits(sidecar), "it reads")
    other.ask("set k new")
    serves(sidecar, harness)
    assert talk.wait_for(b"new\r\n") == b"$3\r\nnew\r\n"
    other.ask("set k newer")
    assert talk.rest() == invalidated("k")


def test_a_write_between_reads_of_one_pipeline_is_not_lost(l3: tuple[Serving, Harness]) -> None:
    """The first has been answered in memory, and waits behind the second, which L3 has to answer:
    what is told of the first comes behind both.
    """
    sidecar, harness = l3
    talk, other = tracks(sidecar), sidecar.connect()
    sidecar.do(harness.serve)
    other.ask("set k old")
    talk.send("get", "k")
    assert talk.wait_for(b"old\r\n")
    talk.send("mget", "k", "unknown")
    wait_until(lambda: _waits(sidecar), "it reads")
    other.ask("set k new")
    serves(sidecar, harness)
    answer = talk.wait_for(b"_\r\n")
    assert answer.index(b"*2\r\n$3\r\nnew") < answer.index(b"_\r\n")
    assert invalidated("k") in answer + talk.rest()


def test_l3_that_comes_back_counts_as_a_flush(l3: tuple[Serving, Harness]) -> None:
    """What it has was absent meanwhile, and may be held as absent."""
    sidecar, harness = l3
    talk = tracks(sidecar)
    sidecar.do(harness.serve)
    sidecar.do(harness.store.disk.give_up)
    assert talk.ask("get k") == b"_\r\n"
    sidecar.do(partial(harness.store._on_status, harness.status(), hello=True))
    assert talk.rest() == FLUSHED


def _waits(sidecar: Serving) -> bool:
    """Whether a client waits for L3."""
    return sidecar.do(lambda: any(each.is_at_work for each in sidecar.service.clients.values()))


def serves(sidecar: Serving, harness: Harness) -> None:
    """Let L3 answer until nobody waits."""

    async def serve() -> None:
        while any(each.is_at_work for each in sidecar.service.clients.values()):
            harness.serve()
            await asyncio.sleep(0)

    sidecar.wait(serve())
