"""The child process: its answers, their order, and its end."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from sidecar.l3 import wire
from sidecar.l3.child import SidecarClock
from sidecar.model.answers import ABSENT, LATE, Record
from sidecar.model.writes import NEW, REPLACED, Delete, Invalidate, Put, Write
from sidecar.process.descriptors import allow_many_files
from tests.l3.children import RunningChild, put, record_of, request
from tests.l3.conftest import StartChild
from tests.running import wait_until

MIB = 1 << 20


def test_answers_come_in_the_order_of_the_requests(tmp_path: Path, start_child: StartChild) -> None:
    """A read sees all requests before it, but no write in the same frame."""
    child = start_child(tmp_path)
    child.hello()
    frames = [request(put(b"ns/key", b"%d" % n, n), reads=[b"ns/key"]) for n in range(1, 200)]
    child.socket.sendall(b"".join(frames))
    records, acks = child.answers(reads=199, writes=199)
    seen = [answer.value for answer in records if isinstance(answer, Record)]
    assert records[0] == ABSENT
    assert seen == [b"%d" % n for n in range(1, 199)]
    assert acks == [NEW] + [REPLACED] * 198


def test_frames_may_arrive_byte_by_byte(tmp_path: Path, start_child: StartChild) -> None:
    """The stream has no boundaries except those of frames."""
    child = start_child(tmp_path)
    child.hello()
    for byte in request(put(b"ns/a", b"one", 1)) + request(reads=[b"ns/a", b"ns/b"]):
        child.socket.sendall(bytes([byte]))
    records, _ = child.answers(reads=2, writes=1)
    assert [getattr(answer, "value", None) for answer in records] == [b"one", None]


def test_large_values_travel_both_ways(tmp_path: Path, start_child: StartChild) -> None:
    """8 MiB each; their answers come in separate frames, so that no frame has all of them."""
    rng = random.Random(20240611)
    values = {b"ns/%d" % n: rng.randbytes(8 * MIB) for n in range(6)}
    child = start_child(tmp_path)
    child.hello()
    for seq, (key, value) in enumerate(values.items(), 1):
        child.put(key, value, seq)
    child.send(reads=[b"ns/none", *values])
    largest = 0
    answers: list[Record | int] = []
    while len(answers) < 7:
        reply = child.receive()
        answers += map(record_of, reply.reads)
        largest = max(largest, len(reply.reads))
    assert largest <= 2
    assert answers[0] == ABSENT
    assert [getattr(answer, "value", None) for answer in answers[1:]] == list(values.values())


def test_reads_past_their_deadline_are_answered_late(
    tmp_path: Path, start_child: StartChild
) -> None:
    """They are not executed, and are answered in order."""
    child = start_child(tmp_path)
    child.hello()
    child.put(b"ns/a", b"one")
    child.send(reads=[b"ns/a", b"ns/b"], timeout=-1.0)
    child.send(reads=[b"ns/a"])
    records, _ = child.answers(reads=3)
    assert records[:2] == [LATE, LATE]
    assert isinstance(records[2], Record)


def test_a_frame_that_waited_for_a_busy_child_is_dated_when_it_was_sent() -> None:
    """It states noon and is read five seconds later: for the child it is five seconds past noon."""
    seconds = 100.0
    clock = SidecarClock(lambda: seconds)
    clock.heard(12_000.0, received_at=100.0)
    clock.emptied(100.0)
    assert clock() == 12_000.0
    seconds = 105.0
    clock.heard(12_000.0, received_at=105.0)
    assert clock() == 12_005.0


def test_a_clock_that_was_wrong_is_mended_by_a_frame_that_did_not_wait() -> None:
    """Set forward or back: a frame that arrives at an empty socket is newer than the last read."""
    seconds = 100.0
    clock = SidecarClock(lambda: seconds)
    for wall in (12_000.0, 9_000.0, 15_000.0):
        clock.emptied(seconds)
        seconds += 1.0
        clock.heard(wall, received_at=seconds)
        clock.emptied(seconds)
        clock.heard(wall, received_at=seconds)
        assert clock() == wall


def test_a_wall_clock_that_is_set_back_makes_no_read_late(
    tmp_path: Path, start_child: StartChild
) -> None:
    """Times in frames are those of the sidecar; if they go back an hour, so do its deadlines."""
    child = start_child(tmp_path)
    child.hello()
    child.put(b"ns/a", b"one")
    for hour in (10, 9, 11, 8):
        child.send(reads=[b"ns/a"], sent_at=hour * 3600.0, timeout=1.0)
        assert isinstance(child.answers(reads=1)[0][0], Record)


def test_what_was_sent_before_the_end_is_applied(tmp_path: Path, start_child: StartChild) -> None:
    """The answers are no longer read, but the child reads all requests."""
    child = start_child(tmp_path)
    child.hello()
    for n in range(300):
        child.send(put(b"ns/%d" % n, b"v" * 1000, n + 1))
    assert child.close() == 0
    again = start_child(tmp_path)
    assert again.hello().entries == 300


def test_it_closes_when_it_is_told_to(tmp_path: Path, start_child: StartChild) -> None:
    """Earlier writes are applied, and the process ends with status 0."""
    child = start_child(tmp_path)
    child.hello()
    child.send(put(b"ns/a", b"one", 1))
    child.send(call=wire.Close())
    assert child.process.wait(30) == 0
    again = start_child(tmp_path)
    again.hello()
    assert again.values([b"ns/a"]) == [b"one"]


def test_it_may_open_as_many_files_as_the_system_allows(
    tmp_path: Path, start_child: StartChild
) -> None:
    """A soft limit, which shells and container runtimes keep low, does not close its tables."""
    soft_limit, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard_limit))
    try:
        child = start_child(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft_limit, hard_limit))
    child.hello()
    limits = Path(f"/proc/{child.process.pid}/limits").read_text()
    (soft, hard) = limits.partition("Max open files")[2].split()[:2]
    assert soft == hard


@pytest.mark.parametrize("error", [ValueError, PermissionError])
def test_a_refusal_of_more_files_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """A sandbox may refuse even what the hard limit allows; the child starts nevertheless."""
    refused = []

    def refuse(kind: int, limits: tuple[int, int]) -> None:
        refused.append(kind)
        raise error

    monkeypatch.setattr(resource, "setrlimit", refuse)
    allow_many_files()
    assert refused == [resource.RLIMIT_NOFILE]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ignores_signals_that_are_meant_for_the_sidecar(
    tmp_path: Path, start_child: StartChild, number: signal.Signals
) -> None:
    """A terminal's Ctrl-C and a runtime's SIGTERM reach all processes; the sidecar still writes."""
    child = start_child(tmp_path)
    child.hello()
    child.process.send_signal(number)
    child.put(b"ns/a", b"one")
    assert child.values([b"ns/a"]) == [b"one"]


PARENT = """
import os, signal, sys
from pathlib import Path
from tests.l3.children import RunningChild
child = RunningChild(Path(sys.argv[1]))
child.hello()
child.put(b"ns/a", b"one")
print(child.process.pid, flush=True)
signal.pause()
"""


def test_it_ends_when_its_parent_is_killed(tmp_path: Path, start_child: StartChild) -> None:
    """kill -9 of the parent leaves no process running, and loses no acknowledged write."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _running(pid)
        parent.kill()
    wait_until(lambda: not _running(pid), "the child is gone")
    child = start_child(tmp_path)
    child.hello()
    assert child.values([b"ns/a"]) == [b"one"]


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("seed", range(6))
def test_every_acknowledged_write_survives_kill_9(
    tmp_path: Path, start_child: StartChild, seed: int
) -> None:
    """The kill comes during puts, deletes and invalidations, several times. Acknowledged writes are
    there; the others are applied in order up to some point, or not at all.
    """
    rng = random.Random(seed)
    model: dict[bytes, bytes] = {}
    seq = 0
    for _ in range(3):
        child = start_child(tmp_path)
        child.hello()
        states = [dict(model)]
        for _ in range(rng.randrange(50, 400)):
            writes = []
            for _ in range(rng.randrange(1, 8)):
                seq += 1
                writes.append(_random_write(rng, seq))
                model = _applied(model, writes[-1])
                states.append(model)
            child.send(*writes)
        acked = _acknowledged_until_killed(child, after=rng.randrange(1, 50))
        child = start_child(tmp_path)
        child.hello()
        found = dict(zip(KEYS, child.values(KEYS), strict=True))
        model = {key: value for key, value in found.items() if value is not None}
        assert model in states[acked:]
        child.end()


KEYS = [b"ns%d/%d" % (space, n) for space in (1, 2) for n in range(20)]


def _acknowledged_until_killed(child: RunningChild, after: int) -> int:
    """Kill it after this number of replies; returns the acknowledgements sent until then."""
    acked = sum(len(child.receive().writes) for _ in range(after))
    child.process.kill()
    with suppress(EOFError):
        while True:
            acked += len(child.receive().writes)
    return acked


def _random_write(rng: random.Random, seq: int) -> Write:
    kind = rng.random()
    if kind < 0.01:
        return Invalidate(rng.choice([b"ns1/", b"ns2/1"]), seq)
    if kind < 0.3:
        return Delete(rng.choice(KEYS), seq)
    return put(rng.choice(KEYS), rng.randbytes(rng.choice([0, 10, 1000, 20_000])), seq)


def _applied(model: dict[bytes, bytes], write: Write) -> dict[bytes, bytes]:
    match write:
        case Put():
            return model | {write.key: write.value}
        case Delete():
            return {key: value for key, value in model.items() if key != write.key}
        case Invalidate():
            return {key: value for key, value in model.items() if not key.startswith(write.scope)}
    raise AssertionError(write)
