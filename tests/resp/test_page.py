"""What docs/redis.md says, and docs/security.md of its limits."""

from __future__ import annotations

import re
import subprocess

from sidecar.resp import call, channels, patterns, tracking
from sidecar.resp.commands import ALL
from sidecar.resp.outbox import MOST_UNREAD_BYTES
from sidecar.resp.requests import (
    MOST_ARGUMENTS,
    MOST_LINE_BYTES,
    STRANGERS_ARGUMENTS,
    STRANGERS_BYTES,
)
from sidecar.resp.transaction import MOST_COMMANDS, MOST_WATCHED
from sidecar.resp.waiting import SLICES_SECONDS, TURN_SECONDS
from tests.contracts.pages import blocks, read, section, table
from tests.running import RunningSidecar

PAGE = read("docs/redis.md")


def test_the_commands_are_all_there() -> None:
    """Those in the table, with the parts of those that have some."""
    told = section(PAGE, "Commands")
    rows = [line for line in told.splitlines() if line.startswith("| ")][1:]
    cells = [row.split("|")[2] for row in rows]
    parts = {
        name: set(re.findall(r"`([A-Z-]+)`", part))
        for cell in cells
        for name, part in re.findall(r"`([A-Z]+)` \(([^)]*)\)", cell)
    }
    names = {
        name
        for cell in cells
        for name in re.findall(r"`([A-Z.]+)`", re.sub(r"\([^)]*\)", "", cell))
    }
    assert names == {name.upper() for name in ALL}
    for name, told_parts in parts.items():
        offered = {part.upper() for part in ALL[name.lower()].parts} - {"HELP"}
        assert told_parts <= offered, name


def test_the_examples_run(ours: RunningSidecar) -> None:
    for block in blocks("sh", PAGE):
        for line in block.splitlines():
            command = line.replace("-p 6379", f"-p {ours.resp_port}")
            done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
            expected = {
                "CACHE.SET": r'"[0-9a-f]+"',
                "CACHE.GET": r"value\nhello\nstale\n0\nttl\n.*",
            }
            pattern = expected.get(line.split()[3], "OK|hello")
            assert re.fullmatch(pattern, done.stdout.strip(), re.DOTALL), line
    assert ours.ask("GET", "/v1/cache/db0/greeting").body == b"hello"


def test_the_limits_of_the_redis_protocol_are_those_of_the_program() -> None:
    prefix = "Redis protocol: "
    limits = {
        what.removeprefix(prefix): limit
        for what, limit, _ in table(read("docs/security.md"), "what")
        if what.startswith(prefix)
    }
    arguments = limits["arguments of a command, bytes of an inline one"]
    assert arguments == f"{MOST_ARGUMENTS:,}, {MOST_LINE_BYTES:,}"
    stranger = limits["what a client that has yet to authenticate may send"]
    assert stranger == f"{STRANGERS_ARGUMENTS} arguments of {STRANGERS_BYTES:,} bytes"
    counts = {call.MOST_KEYS, MOST_COMMANDS, MOST_WATCHED, channels.MOST_OF_A_CLIENT}
    each = limits[
        "keys of a command, commands of a transaction, watched keys, subscriptions of a client"
    ]
    assert {each} == {f"{count:,} each" for count in counts}
    listed = limits["bytes of a pattern, of all patterns of a command"]
    assert listed == f"{patterns.MOST_BYTES:,}, {patterns.MOST_BYTES_AT_ONCE:,}"
    assert limits["tracked keys of all clients"] == f"{tracking.MOST_KEYS:,}"
    unread = limits["messages that a client does not read"]
    assert unread.startswith(f"{MOST_UNREAD_BYTES >> 20} MiB, ")
    turn = limits["commands of all clients in one turn of the loop"]
    just_sent, earlier = (f"{seconds * 1e3:g} ms" for seconds in (TURN_SECONDS, SLICES_SECONDS))
    assert turn.startswith(f"{just_sent} of what has just been sent, and {earlier} of what")
