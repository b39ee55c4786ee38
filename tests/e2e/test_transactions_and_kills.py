"""kill -9 during transactions: each is there whole or not at all, and if it was answered, it is."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.chaos.redis import Redis, over_tcp, says_unchanged
from tests.conftest import StartSidecar
from tests.running import RunningSidecar, wait_until

CLIENTS = 4
KEYS = 4
ROUNDS = 4
SIZES = (10, 2_000, 200_000)
OTHERS = 300
"""Keys beside those of transactions, of which more are read and written than memory holds."""
CONFIG = "tiers: {l1: {max_entries: 5}, l2: {max_entries: 20}}\n"


@dataclass
class Client:
    """One that writes all its keys together, again and again, and counts that."""

    number: int
    redis: Redis
    rng: random.Random
    sent: int = 0
    """The last transaction that was sent."""
    answered: int = 0
    """The last one that was answered."""
    wrong: list[str] = field(default_factory=list)

    def run(self, ended: threading.Event) -> None:
        while not ended.is_set():
            self.sent += 1
            commands = [
                [b"SET", name, b"%d " % self.sent + b"x" * self.rng.choice(SIZES)]
                for name in self._names
            ]
            if self.rng.random() < 0.3:
                [first, *rest] = commands
                commands = [first, [b"MSET", *[part for each in rest for part in each[1:]]]]
            commands.insert(self.rng.randrange(len(commands) + 1), [b"INCR", self._counter])
            commands.append([b"DEL", b"%b.doomed" % self._counter])
            replies = self.redis.ask([b"MULTI"], *commands, [b"EXEC"])
            if replies is None:
                return
            if not isinstance(replies[-1], list):  # while L3's process starts again
                self.sent -= says_unchanged(replies[-1])
                continue
            if self.sent not in replies[-1]:
                self.wrong.append(f"{replies[-1]} where the counter should be {self.sent}")
            self.answered = self.sent
            self.redis.ask(
                [b"SET", b"other%d" % self.rng.randrange(OTHERS), b"x" * 500],
                [b"SET", b"%b.doomed" % self._counter, b"x"],
                [b"GET", b"other%d" % self.rng.randrange(OTHERS)],
            )

    @property
    def _names(self) -> list[bytes]:
        return [b"client%d.%d" % (self.number, part) for part in range(KEYS)]

    @property
    def _counter(self) -> bytes:
        return b"client%d" % self.number

    def check(self) -> None:
        """Read all at one moment."""
        replies = self.redis.ask([b"MGET", self._counter, *self._names])
        assert replies is not None
        found = {None if each is None else int(each.split()[0]) for each in replies[0]}
        if len(found) > 1:
            self.wrong.append(f"{self.number}: parts of the transactions {found} at once")
        number = next(iter(found)) or 0
        if not self.answered <= number <= self.sent:
            self.wrong.append(
                f"{self.number}: {number}, but {self.answered} was answered, {self.sent} sent"
            )
        self.sent = self.answered = number


@pytest.mark.parametrize("seed", [1, 2])
def test_a_transaction_survives_kill_9_whole_or_not_at_all(
    start_sidecar: StartSidecar, tmp_path: Path, seed: int
) -> None:
    """Of the sidecar alone, of both processes, and of L3's before that."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "cache.yaml").write_text(CONFIG)
    sidecar = start_sidecar("--config", str(tmp_path / "config"))
    rng = random.Random(seed)
    dial = over_tcp(sidecar.resp_port)
    clients = [
        Client(number, Redis(dial, "transactions"), random.Random(f"{seed}/{number}"))
        for number in range(CLIENTS)
    ]
    for _ in range(ROUNDS):
        _write_until_killed(sidecar, clients, rng)
        sidecar.start()
        wait_until(lambda: sidecar.stats()["l3"]["state"] == "up", "L3 is up")
        for client in clients:
            client.redis.drop()
            client.check()
    for client in clients:
        client.redis.drop()
        assert client.wrong == []
        assert client.answered > ROUNDS


def _write_until_killed(sidecar: RunningSidecar, clients: list[Client], rng: random.Random) -> None:
    ended = threading.Event()
    threads = [threading.Thread(target=client.run, args=(ended,)) for client in clients]
    before = [client.answered for client in clients]
    for thread in threads:
        thread.start()
    wait_until(
        lambda: all(c.answered > was for c, was in zip(clients, before, strict=True)), "all write"
    )
    time.sleep(rng.uniform(0.0, 0.3))  # a kill comes at any moment
    if rng.random() < 0.5:
        if sidecar.child is not None:
            os.kill(sidecar.child, signal.SIGKILL)
        time.sleep(rng.uniform(0.0, 1.0))
    if rng.random() < 0.5:
        sidecar.kill_both()
    else:
        sidecar.signal(signal.SIGKILL)  # L3's own process applies what it was sent, and ends
        sidecar.wait()
    ended.set()
    for thread in threads:
        thread.join()
