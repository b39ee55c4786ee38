"""What docs/redis.md says."""

from __future__ import annotations

import re
import subprocess

from sidecar.resp.commands import ALL
from tests.contracts.pages import blocks, read, section
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
        name for cell in cells for name in re.findall(r"`([A-Z]+)`", re.sub(r"\([^)]*\)", "", cell))
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
            assert done.stdout.strip() in {"OK", "hello"}, line
    assert ours.ask("GET", "/v1/cache/db0/greeting").body == b"hello"
