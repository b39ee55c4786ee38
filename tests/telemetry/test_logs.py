"""The format of logs: no value can forge an event, and no reader can block the program.

More than 300 lines in one file, since all of it reads one stream of events.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.telemetry import logs
from sidecar.telemetry.render import Event, render_json, render_tree

NOON = 1_748_805_333.56789
ROOT = Path(__file__).parents[2]


def tree(text: str, **fields: object) -> str:
    """The text of an event in the tree format."""
    return render_tree(Event(NOON, "info", "sidecar.optimizer", text, fields))


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """A stream for a log; the logging configuration is restored afterwards."""
    with io.StringIO() as stream:
        yield stream


def test_the_tree_is_the_one_of_the_documentation() -> None:
    """Timestamp with microseconds, level, logger, event; a branch for each field."""
    assert (
        tree(
            "Optimization rule added",
            rule_name="memory_cleanup",
            optimization_type="memory",
            level="balanced",
        )
        == """\
[2025-06-01T19:15:33.567890] INFO | sidecar.optimizer | Optimization rule added
├── rule_name: memory_cleanup
├── optimization_type: memory
└── level: balanced"""
    )


def test_an_event_without_fields_is_one_line() -> None:
    """There are no branches without fields."""
    assert tree("Stopping").splitlines() == [
        "[2025-06-01T19:15:33.567890] INFO | sidecar.optimizer | Stopping"
    ]


def test_mappings_and_lists_are_branches_of_their_own() -> None:
    """Nested values keep their structure; lists are counted from 0, and empty ones are short."""
    lines = tree("Nested", rule={"names": ["a", {"b": 1.5}], "with": {}}, none=None, on=True)
    assert lines.split("\n")[1:] == [
        "├── rule:",
        "│   ├── names:",
        "│   │   ├── 0: a",
        "│   │   └── 1:",
        "│   │       └── b: 1.5",
        "│   └── with: {}",
        "├── none: null",
        "└── on: true",
    ]


def test_a_newline_in_a_value_does_not_begin_an_event() -> None:
    """Control characters, also those of terminals and of Unicode, are written as escapes."""
    forged = "x\n[2025-06-01T19:15:33.567890] INFO | a | b\x1b[2J\u2028\u202e\r\x00"
    shown = r"x\n[2025-06-01T19:15:33.567890] INFO | a | b\x1b[2J\u2028\u202e\r\x00"
    lines = tree(forged, **{forged: forged}).split("\n")
    assert lines[0].endswith(f"| sidecar.optimizer | {shown}")
    assert lines[1:] == [f"└── {shown}: {shown}"]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=9)
    | st.text(st.characters(codec=None), max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec=None), max_size=4), inner, max_size=4)
    ),
)
fields = st.dictionaries(st.text(st.characters(codec=None), max_size=9), values, max_size=4)


@given(st.text(st.characters(codec=None)), fields)
@settings(deadline=None)  # a noisy machine is no failure
def test_no_value_escapes_from_its_event(text: str, fields: dict[str, object]) -> None:
    """A tree has one line that begins an event; JSON is one line with the same fields."""
    event = Event(NOON, "error", "a", text, fields)
    first, *rest = render_tree(event).split("\n")
    assert first.startswith("[2025-06-01T19:15:33.567890] ERROR | a | ")
    assert all(line[0] in "├└│ " and line.isprintable() for line in rest)
    line = render_json(event).encode(errors="backslashreplace")
    assert b"\n" not in line
    read = json.loads(line)
    assert read["level"] == "error"
    assert len(read) == 4 + len(fields)


def test_what_is_too_long_too_many_or_too_deep_is_cut() -> None:
    """External values cannot fill the log: they are truncated, visibly."""
    deep: list[object] = []
    deep.append(deep)
    event = Event(NOON, "info", "a", "e", {"long": "x" * 10**6, "many": [0] * 10**5, "deep": deep})
    read = json.loads(render_json(event))
    assert read["long"].endswith("x...")
    assert read["many"][-1] == "99900 more"
    assert len(render_json(event)) < 20_000


def test_a_field_that_cannot_be_shown_does_not_lose_the_event() -> None:
    """If __str__ raises, the name of the type is shown."""

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    assert tree("e", field=Broken()).endswith("└── field: <Broken that cannot be displayed>")


def test_json_is_one_object_a_line_with_the_same_fields(stream: io.StringIO) -> None:
    """timestamp, level, logger, event and fields; a field with such a name gets a prefix."""
    handle = logs.configure("json", "info", stream)
    logs.get_logger("sidecar.optimizer").info("Rule added", level="balanced", by=0.2, tiers=["l1"])
    handle.close()
    read = json.loads(stream.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", read.pop("timestamp"))
    assert read == {
        "level": "info",
        "logger": "sidecar.optimizer",
        "event": "Rule added",
        "field_level": "balanced",
        "by": 0.2,
        "tiers": ["l1"],
    }


def test_the_standard_library_logs_in_the_same_form(stream: io.StringIO) -> None:
    """A library's record has its arguments filled in, and what is extra becomes fields."""
    handle = logs.configure("tree", "info", stream)
    logging.getLogger("aiohttp.server").warning("%s is odd", "that", extra={"peer": "10.0.0.1"})
    handle.close()
    first, second = stream.getvalue().splitlines()
    assert first.endswith("] WARNING | aiohttp.server | that is odd")
    assert second == "└── peer: 10.0.0.1"


def test_any_structlog_logger_ends_in_the_same_log(stream: io.StringIO) -> None:
    """Loggers that were made before, or without this module, follow the configuration."""
    early = structlog.get_logger("early")
    handle = logs.configure("tree", "info", stream)
    early.bind(tier="l1").info("Bound")
    handle.close()
    assert stream.getvalue().endswith("] INFO | early | Bound\n└── tier: l1\n")


def test_a_warning_of_python_is_an_event(stream: io.StringIO) -> None:
    """warnings.warn does not write past the format."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        handle = logs.configure("json", "info", stream)
        warnings.warn("careful", stacklevel=1)
        handle.close()
    assert "UserWarning: careful" in json.loads(stream.getvalue())["event"]


@pytest.mark.parametrize(("level", "seen"), [("debug", 4), ("info", 3), ("error", 1)])
def test_what_is_below_the_level_is_not_written(
    stream: io.StringIO, level: logs.Level, seen: int
) -> None:
    """The level applies to the loggers of the sidecar and of libraries."""
    for log in (logs.get_logger("a"), logging.getLogger("b")):
        stream.truncate(0)
        stream.seek(0)
        handle = logs.configure("tree", level, stream)
        log.debug("d")
        log.info("i")
        log.warning("w")
        log.error("e")
        handle.close()
        assert len(stream.getvalue().splitlines()) == seen


def test_the_watcher_of_files_is_heard_only_when_it_warns(stream: io.StringIO) -> None:
    """A changed file is not logged, since the event with the result is."""
    handle = logs.configure("tree", "debug", stream)
    logging.getLogger("watchfiles.main").info("3 changes detected")
    logging.getLogger("watchfiles.main").warning("inotify is full")
    handle.close()
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize("logger", [logs.get_logger("ours"), logging.getLogger("theirs")])
def test_a_traceback_keeps_its_lines_inside_the_event(
    stream: io.StringIO, logger: logging.Logger
) -> None:
    """It looks like Python's own, but none of its lines begins like an event."""
    handle = logs.configure("tree", "info", stream)
    try:
        raise ValueError("bad\n[2025-06-01T19:15:33.567890] INFO | forged | event")
    except ValueError:
        logger.exception("Failed")
    handle.close()
    first, second, *rest = stream.getvalue().splitlines()
    assert first.endswith("| Failed")
    assert second == "└── exception:"
    assert rest[0] == "    │ Traceback (most recent call last):"
    assert rest[-2:] == [
        "    │ ValueError: bad",
        "    │ [2025-06-01T19:15:33.567890] INFO | forged | event",
    ]


def test_a_long_traceback_keeps_its_end(stream: io.StringIO) -> None:
    """If lines are dropped, the last one with the error is kept."""
    handle = logs.configure("json", "info", stream)
    try:
        raise ValueError("x" * 20_000 + "!")
    except ValueError:
        logs.get_logger("a").exception("Failed")
    handle.close()
    trace = json.loads(stream.getvalue())["exception"]
    assert trace.endswith("x!")
    assert len(trace) < 10_000


def test_nobody_waits_for_a_reader_that_stalls() -> None:
    """A full pipe drops events, and their number is logged as soon as it is read again."""
    reading, writing = os.pipe()
    with open(writing, "w") as stream, open(reading, "rb") as reader:  # noqa: PTH123  (descriptors)
        handle = logs.configure("json", "info", stream)
        log = logs.get_logger("a")
        start = time.monotonic()
        for number in range(3000):
            log.info("e", number=number, padding="x" * 1000)
        assert time.monotonic() - start < 20  # three megabytes into a pipe of 64 KiB, unread
        kept: list[int] = []
        dropped = 0
        while len(kept) + dropped < 3000:
            event = json.loads(reader.readline())
            if "number" in event:
                kept.append(event["number"])
            else:
                assert event["level"] == "warning"
                dropped += event["count"]
        log.info("after")
        assert json.loads(reader.readline())["event"] == "after"
        handle.close()
    assert dropped > 0
    assert kept == sorted(set(kept))


def test_closing_writes_what_is_queued_and_ends_the_thread(stream: io.StringIO) -> None:
    """All events are written, and the thread ends."""
    before = set(threading.enumerate())
    level = logging.getLogger().level
    handlers = list(logging.getLogger().handlers)
    handle = logs.configure("tree", "debug", stream)
    for number in range(1000):
        logs.get_logger("a").info("e", number=number)
    handle.close()
    handle.close()
    assert stream.getvalue().count("\n└── number: ") == 1000
    assert set(threading.enumerate()) == before
    assert logging.getLogger().level == level
    assert logging.getLogger().handlers == handlers
    assert not structlog.is_configured()


def test_a_reader_that_went_away_harms_nobody() -> None:
    """Writing into a closed pipe has no effect."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stream:  # noqa: PTH123  (a descriptor)
        handle = logs.configure("tree", "info", stream)
        logs.get_logger("a").info("e")
        handle.close()


def test_a_stream_that_does_not_block_is_written_all_the_same() -> None:
    """If another process has made stderr non-blocking, a full pipe means waiting, not losing."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with open(writing, "w") as stream, open(reading, "rb") as reader:  # noqa: PTH123  (descriptors)
        handle = logs.configure("json", "info", stream)
        for number in range(200):
            logs.get_logger("a").info("e", number=number, padding="x" * 1000)
        numbers = [json.loads(reader.readline())["number"] for _ in range(200)]
        handle.close()
    assert numbers == list(range(200))


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run the code in a new interpreter, in the root of the project."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_the_log_is_complete_when_the_program_ends_without_closing_it() -> None:
    """The last events of a program that fails are the most important."""
    done = python(
        "from sidecar.telemetry import logs\n"
        "logs.configure('tree', 'info')\n"
        "for n in range(500): logs.get_logger('a').info('e', number=n)\n"
    )
    assert done.stderr.count("INFO | a | e") == 500
    assert done.stdout == ""


def test_a_program_ends_although_its_log_is_not_read() -> None:
    """Closing gives a stalled reader a moment; then the interpreter ends."""
    code = (
        "from sidecar.telemetry import logs\n"
        "handle = logs.configure('tree', 'info')\n"
        "for n in range(300): logs.get_logger('a').info('x' * 4000)\n"
        "handle.close()\n"
        "print('closed')\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.read() == b"closed\n"
        assert child.wait(timeout=60) == 0


def test_logging_does_not_bring_rich_along() -> None:
    """structlog is imported without it; later imports of rich still work."""
    python(
        "import sys\n"
        "from sidecar.telemetry import logs\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'rich']\n"
        "import rich.console\n"
    )
