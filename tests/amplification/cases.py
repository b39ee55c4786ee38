"""The cases: an attack, what it needs before, and the run of one of them in a container."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from tests.amplification import attacks, resp
from tests.amplification.attacks import KIB, MIB, Address, Outcome, Probe
from tests.e2e.container import Container
from tests.running import RunningSidecar, wait_until

SERVED = {200, 201, 204, 404}  # not there, since it was refused before
REFUSED = {413, 503}
Attack = Callable[[Any], Awaitable[list[Outcome]]]
"""Takes an Address."""

_numbers = count()


@dataclass(frozen=True)
class Case:
    """An attack, after what `before` does without being measured."""

    name: str
    attack: Attack
    before: Attack | None = None
    fits: frozenset[int] = frozenset()
    """The limits in MiB in which something has to be served."""
    uses_socket: bool = False
    """Whether it comes over the Unix socket."""
    speaks_resp: bool = False
    """Whether it comes over the Redis protocol."""


@dataclass(frozen=True)
class Result:
    """What came of a case."""

    answers: Sequence[Outcome]
    kills: int
    is_alive: bool
    child_lives_on: bool
    failed_probes: int
    slowest_probe_seconds: float

    @property
    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in self.answers)

    def slowest_seconds(self, statuses: set[int]) -> float:
        """The longest that an answer with one of these took; 0 if there is none."""
        return max((it.seconds for it in self.answers if it.status in statuses), default=0.0)


EVERYWHERE = frozenset({96, 128, 321})
START_SECONDS = 60.0
"""In little memory a start reads pages of the programs more than once."""
GET = b"GET /v1/cache/a/b HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE_VALUE = "/v1/cache/large/0"


def cases(scale: float = 1.0) -> tuple[Case, ...]:
    """All of them; `scale` is a share of the requests."""

    def some(number: int) -> int:
        return max(4, int(number * scale))

    filling = partial(attacks.filling, count=some(3000))
    seconds = max(1.0, scale * resp.SEND_SECONDS)  # fewer clients would be another attack
    return (
        Case("filling, values of 100 KiB", filling, fits=EVERYWHERE),
        Case(
            "50 PUTs of 8 MiB",
            partial(attacks.large_puts, count=some(50)),
            fits=frozenset({321}),
        ),
        Case(
            "50 PUTs of 1 MiB",
            partial(attacks.large_puts, count=some(50), size=MIB),
            fits=EVERYWHERE,
        ),
        Case(
            "10 mgets of 40 keys of 1 MiB",
            attacks.mgets,
            before=attacks.packed,
            fits=EVERYWHERE,
        ),
        Case(
            "60 mgets, in MessagePack",
            partial(attacks.mgets, count=some(60), fields="Accept: application/msgpack\r\n"),
            before=attacks.packed,
            fits=EVERYWHERE,
        ),
        Case(
            "300 gzip PUTs, 8 KiB that are 8 MiB",
            partial(attacks.inflating_puts, count=some(300)),
            fits=frozenset({321}),
        ),
        Case("40 gzip msets of 28 MiB", partial(attacks.inflating_msets, count=some(40))),
        Case(
            "full tiers, bursts of 60 that inflate to 8 MiB",
            partial(_bursts, count=some(60)),
            before=filling,
            fits=frozenset({321}),
        ),
        Case(
            "full tiers of small values, bursts of 60",
            partial(_bursts, count=some(60)),
            before=partial(attacks.filling, size=2 * KIB, count=some(20_000)),
            fits=frozenset({321}),
        ),
        Case(
            "200 readers that do not read 1 MiB",
            partial(attacks.idle_readers, path=LARGE_VALUE, count=some(200)),
            before=partial(attacks.large_puts, count=1, size=MIB),
        ),
        Case(
            "200 PUTs in chunks of a byte",
            partial(attacks.crumbled_puts, count=some(200)),
            fits=EVERYWHERE,
        ),
        Case(
            "300 pages of keys of 1 KiB",
            partial(attacks.listings, count=some(300)),
            before=attacks.long_keys,
            fits=EVERYWHERE,
        ),
        Case(
            "2,000 heads of 30 KiB without an end",
            partial(attacks.unfinished, begin=_head(30 * KIB), count=some(2000)),
            fits=EVERYWHERE,
        ),
        Case(
            "2,000 heads of 4 KiB without an end",
            partial(attacks.unfinished, begin=_head(4 * KIB)[:4096], count=some(2000)),
            fits=EVERYWHERE,
        ),
        Case(
            "400 heads of 120 fields of 8 KiB without an end",
            partial(attacks.unfinished, begin=_head(120 * 8 * KIB, 8 * KIB - 9), count=some(400)),
            fits=EVERYWHERE,
        ),
        Case(
            "2,000 heads of 30 KiB without an end behind a GET",
            partial(attacks.unfinished, begin=GET + _head(30 * KIB), count=some(2000)),
            fits=EVERYWHERE,
        ),
        Case(
            "20 readers that do not read, and 20 heads of 120 fields of 8 KiB behind each",
            partial(attacks.unfinished, begin=_READ + 20 * _LARGE_HEAD, count=20),
            before=partial(attacks.large_puts, count=1, size=MIB),
            fits=EVERYWHERE,
        ),
        Case(
            "2,000 heads of 120 fields of 5 bytes without an end",
            partial(attacks.unfinished, begin=_SHORT_FIELDS, count=2000),
            fits=EVERYWHERE,
        ),
        Case(
            "1,900 readers that do not read 15 KiB",
            partial(attacks.unread, path=LARGE_VALUE),
            before=partial(attacks.large_puts, count=1, size=15 * KIB),
            fits=EVERYWHERE,
        ),
        Case(
            "1,900 readers that do not read 15 KiB from the Unix socket",
            partial(attacks.unread, path=LARGE_VALUE),
            before=partial(attacks.large_puts, count=1, size=15 * KIB),
            uses_socket=True,
        ),
        Case(
            "1,900 GETs of little, 50 times each, that are not read from the Unix socket",
            partial(attacks.unread, path=LARGE_VALUE, times=50),
            before=partial(attacks.large_puts, count=1, size=100),
            fits=EVERYWHERE,
            uses_socket=True,
        ),
        Case(
            "2,000 bodies of 15 KiB without an end",
            partial(attacks.unfinished, begin=_body(15 * KIB), count=some(2000)),
            fits=EVERYWHERE,
        ),
        Case(
            "1,000 PUTs with heads of 96 KiB, whose bodies do not end",
            partial(attacks.unfinished, begin=_body(10, fields=12), count=some(1000)),
            fits=EVERYWHERE,
        ),
        Case(
            "200 readers that do not read 90 KiB, and bodies of 1 MB behind",
            partial(
                attacks.unfinished, begin=31 * _READ + _body(10**6)[: 500 * KIB], count=some(200)
            ),
            before=partial(attacks.large_puts, count=1, size=90 * KIB),
            fits=EVERYWHERE,
        ),
        Case(
            "reading 60 values of 1 MiB from L3, by 20",
            partial(attacks.scattered_gets, count=some(200), keys=60),
            before=partial(attacks.large_puts, count=60, size=MIB),
            fits=EVERYWHERE,
        ),
        *(
            Case(
                f"Redis protocol: {name}",
                partial(attack, seconds=seconds),
                before,
                fits=EVERYWHERE,
                speaks_resp=True,
            )
            for before, attacks_after in (
                (resp.filled, resp.ATTACKS),
                (resp.filled_l3, resp.ATTACKS_ON_L3),
            )
            for name, attack in attacks_after.items()
        ),
    )


def _head(size: int, field: int = KIB) -> bytes:
    """The beginning of a head, in fields of that size."""
    fields = (b"X-%d: " % number + b"x" * field for number in range(size // field))
    return GET.removesuffix(b"\r\n") + b"\r\n".join(fields)


_SHORT_FIELDS = _head(0) + b"\r\n".join(b"%d: x" % number for number in range(120))
_READ = GET.replace(b"/v1/cache/a/b", LARGE_VALUE.encode())
_LARGE_HEAD = _head(120 * 8 * KIB, 8 * KIB - 9) + b"\r\n\r\n"


def _body(size: int, fields: int = 0) -> bytes:
    """A PUT that lacks a byte, with so many fields of 8 KiB."""
    head = _head(fields * 8 * KIB, 8 * KIB - 9).replace(b"GET", b"PUT", 1)
    end = b"" if head.endswith(b"\r\n") else b"\r\n"
    return head + end + b"Content-Length: %d\r\n\r\n" % size + bytes(size - 1)


async def _bursts(port: Address, count: int) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for _ in range(3):
        outcomes += await attacks.inflating_puts(port, count=count)
    return outcomes


@contextmanager
def contained(
    folder: Path, limit_mib: int, *flags: str
) -> Iterator[tuple[RunningSidecar, Container]]:
    """A sidecar that has been launched in a container with this limit."""
    container = Container(
        f"cache-sidecar-{os.getpid()}-{next(_numbers)}", folder / "group", limit_mib * MIB
    )
    sidecar = RunningSidecar(folder / "data", flags, wrapper=container.wrapper)
    try:
        sidecar.launch()
        container.started(sidecar.pid)
        yield sidecar, container
    finally:
        sidecar.stop()
        container.close()


def run(case: Case, limit_mib: int, folder: Path) -> Result:
    """Run a case in a container of its own."""
    path = folder / "data.sock"
    with contained(folder, limit_mib, "--data-socket", str(path)) as (sidecar, container):
        wait_until(lambda: sidecar.ready, "the sidecar is ready", START_SECONDS)
        child = sidecar.child
        address: Address = path if case.uses_socket else sidecar.port
        if case.speaks_resp:
            address = sidecar.resp_port
        if case.before is not None:
            asyncio.run(case.before(address))  # type: ignore[arg-type]
        probe = Probe(sidecar.ops_port)
        answers = asyncio.run(probe.during(partial(case.attack, address)))
        assert sidecar.process is not None
        is_alive = sidecar.process.poll() is None
        return Result(
            answers,
            container.kills,
            is_alive,
            is_alive and sidecar.child == child,
            probe.failures,
            probe.slowest_seconds,
        )
