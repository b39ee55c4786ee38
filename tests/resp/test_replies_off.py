"""CLIENT REPLY: which commands are answered."""

from __future__ import annotations

from tests.resp.servers import Wire, encoded
from tests.running import RunningSidecar

SCRIPT = [
    (b"SET", b"a", b"1"),
    (b"GET", b"a"),
    (b"CLIENT", b"REPLY", b"SKIP"),
    (b"GET", b"a"),
    (b"GET", b"a"),
    (b"CLIENT", b"REPLY", b"OFF"),
    (b"GET", b"a"),
    (b"SET", b"a", b"2"),
    (b"CLIENT", b"REPLY", b"SKIP"),
    (b"INCR", b"a"),
    (b"CLIENT", b"REPLY", b"ON"),
    (b"GET", b"a"),
    (b"QUIT",),
]


def test_what_is_answered_is_what_redis_answers(ours: RunningSidecar, theirs: int) -> None:
    """Sent one by one, and at once."""
    answers = []
    for port in (ours.resp_port, theirs):
        for commands in ([[each] for each in SCRIPT], [SCRIPT]):
            with Wire(port) as wire:
                for some in commands:
                    wire.send(b"".join(map(encoded, some)))
                answers.append(wire.rest())
    assert answers[0] == answers[1] == answers[2] == answers[3]
