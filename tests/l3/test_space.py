"""The folder of L3 stays below twice the live bytes plus 64 MiB, and below the data limit.

The test takes seconds; `tests/bench/space.py` does the same at full scale.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from pathlib import Path

import pytest

from sidecar.l3 import wire
from sidecar.l3.child import Child, look_pause
from sidecar.l3.space import Space, most_live_bytes
from sidecar.model.answers import Row
from sidecar.model.writes import Delete
from tests.bench.space import MIB, SIZES, churn
from tests.l3.children import PATIENCE_SECONDS, put, request
from tests.l3.conftest import OpenTier, StartChild


@pytest.mark.parametrize("name", ["64 B", "1 KiB", "64 KiB", "1 MiB", "mixed"])
def test_the_folder_stays_small_under_churn(tmp_path: Path, name: str) -> None:
    """Incompressible values are evicted, replaced, deleted, expired, drained and invalidated."""
    live = 6 * MIB if name == "64 B" else 30 * MIB
    measured = churn(tmp_path, SIZES[name], live, turns=1, seed=20240615)
    assert measured.worst < 1, measured


def test_the_folder_stays_below_the_data_limit(tmp_path: Path) -> None:
    """A tier configured larger holds only what leaves room for its tables."""
    limit = 112 * MIB
    measured = churn(tmp_path, SIZES["mixed"], 60 * MIB, turns=1, seed=20240616, limit=limit)
    assert measured.largest_folder < limit
    assert measured.worst < 1, measured


def test_a_limit_without_room_for_l3_keeps_it_empty(
    tmp_path: Path, start_child: StartChild
) -> None:
    """RocksDB itself needs up to 64 MiB: below that every put is refused."""
    limit = 64 * MIB
    assert most_live_bytes(limit) == 0
    child = start_child(tmp_path, limit=limit)
    child.hello()
    child.put(b"ns/a", b"value")
    assert child.values([b"ns/a"]) == [None]


def test_the_folder_is_measured_for_a_small_share_of_the_time() -> None:
    """99 times as long goes by without it; at least the time of a slice, and a second at most."""
    took_and_pause = [(0.0, 0.005), (0.001, 0.099), (0.007, 0.693), (0.06, 1.0), (3.0, 1.0)]
    for took, pause in took_and_pause:
        assert look_pause(took) == pytest.approx(pause)


class SlowVolume(Space):
    """It takes a tenth of a second to measure the folder, as with tens of thousands of files."""

    looks = 0

    def look(self, live_bytes: int, dropped_bytes: int) -> None:
        self.looks += 1
        time.sleep(0.1)
        super().look(live_bytes, dropped_bytes)


def test_news_are_reported_without_measuring_the_folder_each_time(open_tier: OpenTier) -> None:
    """Writes change L3 all the time: most statuses have the size as last measured."""
    tier = open_tier()
    space = SlowVolume(tier.folder, tier.database, None)
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE_SECONDS)
    unframer = wire.Unframer()
    statuses = 0
    with theirs:
        running = threading.Thread(
            target=Child(theirs, tier.engine, space, wiped=False).run, daemon=True
        )
        running.start()
        with ours:
            while statuses < 20:
                replies = [*map(wire.decode_reply, unframer.feed(ours.recv(1 << 16)))]
                for _ in filter(lambda reply: reply.status, replies):
                    statuses += 1
                    ours.sendall(request(put(b"ns/a", b"value", statuses)))
        running.join(PATIENCE_SECONDS)
    assert space.looks < statuses / 2


def test_reads_are_answered_while_tables_are_rewritten(
    tmp_path: Path, start_child: StartChild
) -> None:
    """The rewrite runs in a thread and releases the GIL: a read requested after deletions that wait
    for it is answered before them.
    """
    rng = random.Random(20240617)
    child = start_child(tmp_path)
    child.hello()
    count = 120
    for n in range(1, count + 1):
        child.put(b"ns/%d" % n, rng.randbytes(MIB), n)
    waiting = 0
    seq = count
    for n in range(1, count):
        seq += 1
        child.send(Delete(b"ns/%d" % n, seq))
        child.send(reads=[b"ns/%d" % count])
        waiting += 1
        while True:
            reply = child.receive()
            waiting -= len(reply.writes)
            if reply.reads:
                assert isinstance(reply.reads[0], Row)
                break
        if waiting > 8:
            break
    assert waiting > 8
    child.answers(writes=waiting)
