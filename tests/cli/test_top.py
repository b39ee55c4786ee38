"""`cache-sidecar top` against a real sidecar: on a terminal, and where there is none.

More than 300 lines in one file, since the screen and the lines show the same looks.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from tests.cli.terminals import Terminal, terminal
from tests.running import PATIENCE_SECONDS, RunningSidecar, free_port, wait_until

RULES = """\
interval: 1s
dry_run: true
rules:
  - {name: calm, type: gc, when: gc.tracked_objects < 0, action: collect}
  - {name: promotion, type: cache, when: "network.connections >= 0.0", cooldown: 1d,
     action: set_promote_after}
"""
QUICK = ("--interval", "100ms")
LEFT_SCREEN, SHOWN_CURSOR = b"\x1b[?1049l", b"\x1b[?25h"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSidecar]:
    """A sidecar with a rule that has fired, on a Unix socket too."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "rules.yaml").write_text(RULES)
    data_dir = tmp_path_factory.mktemp("data")
    flags = ("--config", str(folder), "--data-socket", str(data_dir / "socket"))
    sidecar = RunningSidecar(data_dir, flags).start()
    wait_until(
        lambda: json.loads(sidecar.ask("GET", "/v1/optimizer/outcomes").body)["outcomes"],
        "a rule has fired",
    )
    yield sidecar
    sidecar.stop()


def at(sidecar: RunningSidecar) -> tuple[str, str]:
    return "--url", f"http://127.0.0.1:{sidecar.port}"


def use(sidecar: RunningSidecar, count: int = 4) -> None:
    """As many hits as misses."""
    sidecar.put("key", b"value")
    for number in range(count):
        sidecar.get("key")
        sidecar.get(f"missing-{number}")


def lines(*arguments: str, **environment: str) -> list[str]:
    """What `top` writes where there is no terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "sidecar", "top", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


# ---- on a terminal


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (140, 40)])
def test_the_screen_has_it_all(watched: RunningSidecar, columns: int, rows: int) -> None:
    """Tiers, a plot, latency, memory, rules by urgency, and outcomes, in the usual size and up."""
    with (
        terminal("top", *at(watched), *QUICK, columns=columns, rows=rows) as top,
        redis.Redis(port=watched.resp_port) as client,
    ):
        top.shows(
            "l1", "l2", "l3", "100%", "now", "HTTP", "Redis", "memory", "Outcomes", "promote_after"
        )
        rules = [line for line in top.text.splitlines() if line.startswith(("promotion", "calm"))]
        assert rules[0].startswith("promotion")
        assert "Its condition is false." in rules[1]
        assert "dry run" in top.text
        assert max(len(line) for line in top.text.splitlines()) <= columns
        wait_until(lambda: shows_half(top, watched), "half of the lookups are hits")
        wait_until(lambda: client.ping() and shows_clients(top), "both protocols have requests")


def shows_clients(top: Terminal) -> bool:
    """Requests per second and connections of the Redis protocol, as those of HTTP."""
    rates = r"^HTTP +[1-9][\d.,]*/s +clients \d+ .*^Redis +[1-9][\d.,]*/s +clients 1 "
    return bool(re.search(rates, top.text, re.MULTILINE | re.DOTALL))


def shows_half(top: Terminal, sidecar: RunningSidecar) -> bool:
    """Between two looks about as many hits as misses; in the plot, too."""
    use(sidecar)
    found = re.search(r"hits +([\d.]+)% of .*■ l1 +([\d.]+)% .*■ miss +([\d.]+)%", top.text)
    shares = [float(share) for share in found.groups()] if found else [0.0]
    return "█" in top.text and all(30 <= share <= 70 for share in shares)


def test_it_follows_the_size_of_the_terminal(watched: RunningSidecar) -> None:
    """Wider, narrower and so small that little has room: always the top, and no line too many."""
    with terminal("top", *at(watched), "--interval", "1h") as top:
        top.shows("Outcomes")
        for columns, rows in ((140, 40), (60, 20), (20, 5), (3, 1), (80, 24)):
            top.resize(columns, rows)
            top.shows("cache-sidecar"[: columns - 1], *["Outcomes"] * (rows >= 24))
            assert top.text.startswith("ca")
            assert ("━" in top.text) == (columns == 140)
        assert top.process.poll() is None


@pytest.mark.parametrize("keys", ["q", "Q", "\x03"])
def test_a_key_ends_it_and_the_terminal_is_as_it_was(watched: RunningSidecar, keys: str) -> None:
    """Ctrl-C as well as q, both with status 0."""
    with terminal("top", *at(watched), *QUICK) as top:
        before = termios.tcgetattr(top.line)
        top.shows("Outcomes")
        assert termios.tcgetattr(top.line) != before
        top.press("x\x1b[A")
        top.press(keys)
        assert top.status() == 0
        assert termios.tcgetattr(top.line) == before
        assert top.written.rstrip().endswith((LEFT_SCREEN, SHOWN_CURSOR))
        assert LEFT_SCREEN in top.written
        assert SHOWN_CURSOR in top.written
        assert b"Traceback" not in top.written


def test_it_lets_go_of_the_terminal_while_it_is_stopped(watched: RunningSidecar) -> None:
    """Ctrl-Z gives it back, and `fg` takes it again."""
    with terminal("top", *at(watched), *QUICK) as top:
        before = termios.tcgetattr(top.line)
        top.shows("Outcomes")
        top.process.send_signal(signal.SIGTSTP)
        status = Path(f"/proc/{top.process.pid}/stat")
        wait_until(lambda: status.read_text().rpartition(") ")[2][0] == "T", "it is stopped")
        top.shows("")
        assert LEFT_SCREEN in top.written
        assert termios.tcgetattr(top.line) == before
        top.screen.reset()
        top.process.send_signal(signal.SIGCONT)
        top.shows("Outcomes")
        top.press("q")
        assert top.status() == 0


def test_it_draws_over_what_is_there(watched: RunningSidecar) -> None:
    """Nothing is cleared between two frames, so nothing flickers."""
    with terminal("top", *at(watched), *QUICK, "--count", "5") as top:
        assert top.status() == 0
        entered = top.written.index(b"\x1b[?1049h")
        frames = top.written[entered : top.written.index(LEFT_SCREEN)].split(b"\x1b[H")
        assert len(frames) >= 6
        assert not any(code in frame for frame in frames for code in (b"\x1b[2J", b"\x1b[K"))


def test_it_waits_for_a_sidecar_that_restarts(tmp_path: Path) -> None:
    """It says since when and why it is away, and goes on with counters that begin anew."""
    sidecar = RunningSidecar(tmp_path / "data").start()
    try:
        with terminal("top", *at(sidecar), *QUICK) as top:
            use(sidecar, 50)
            top.shows("hits ", "l1")
            sidecar.stop()
            top.shows("down since", "Connection refused")
            assert "Outcomes" in top.text
            sidecar.start()
            top.shows("every 100 ms")
            assert "down since" not in top.text
            wait_until(lambda: shows_half(top, sidecar), "it counts again")
            assert top.process.poll() is None
    finally:
        sidecar.stop()


def test_it_keeps_its_keys_while_the_sidecar_hangs(watched: RunningSidecar) -> None:
    """A sidecar that is stopped takes a connection and answers nothing; q ends `top` at once."""
    with terminal("top", *at(watched), *QUICK) as top:
        top.shows("Outcomes")
        watched.signal(signal.SIGSTOP)
        try:
            process = psutil.Process(top.process.pid)
            wait_until(lambda: process.net_connections("tcp"), "it waits for an answer")
            top.press("q")
            assert top.status() == 0
        finally:
            watched.signal(signal.SIGCONT)


@pytest.mark.parametrize("has_keyboard", [True, False])
@pytest.mark.parametrize("after_seconds", [0.0, 0.001, 0.01, 0.5])
def test_it_ends_with_its_terminal(
    watched: RunningSidecar, after_seconds: float, *, has_keyboard: bool
) -> None:
    """At any moment after its first output, without a signal and without a word."""
    person, line = os.openpty()
    command = [sys.executable, "-m", "sidecar", "top", *at(watched), *QUICK]
    with subprocess.Popen(
        command,
        stdin=line if has_keyboard else subprocess.DEVNULL,
        stdout=line,
        stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm"},
        start_new_session=True,
    ) as top:
        os.close(line)
        assert os.read(person, 1)
        time.sleep(after_seconds)
        os.close(person)
        said = top.communicate(timeout=PATIENCE_SECONDS)[1]
    assert (top.returncode, said) == (0, b"")


def test_each_tier_has_its_colour(watched: RunningSidecar) -> None:
    """The same as on the console page, where the terminal has so many; no colour with NO_COLOR."""
    with terminal("top", *at(watched), *QUICK, COLORTERM="truecolor") as top:
        top.shows("■ miss")
        assert top.colours_of("■") == ["0072b2", "009e73", "e69f00", "7f7f7f"]
    with terminal("top", *at(watched), *QUICK, TERM="xterm") as top:
        top.shows("■ miss")
        assert top.colours_of("■") == ["blue", "green", "brown", "brightblack"]
    with terminal("top", *at(watched), *QUICK, NO_COLOR="1") as top:
        top.shows("■ miss")
        assert set(top.colours_of("■")) == {"default"}


def test_a_dumb_terminal_gets_plain_lines(watched: RunningSidecar) -> None:
    with terminal("top", *at(watched), *QUICK, "--count", "2", TERM="dumb") as top:
        assert top.status() == 0
        assert b"\x1b" not in top.written
        assert b"lookups/s" in top.written


# ---- without one


def test_without_a_terminal_it_is_a_line_for_each_look(watched: RunningSidecar) -> None:
    """A heading, and columns below it; no escape codes even if a colour is forced."""
    use(watched)
    heading, *rows = lines(*at(watched), *QUICK, "--count", "3", FORCE_COLOR="1")
    assert heading.split()[:4] == ["time", "lookups/s", "hit", "ratio"]
    assert len(rows) == 3
    assert all(len(row) == len(heading) for row in rows)
    assert "\x1b" not in "".join(rows)


def test_json_is_an_object_a_line(watched: RunningSidecar) -> None:
    """With what the API says, and a look's own figures beside it."""
    looks = [json.loads(line) for line in lines(*at(watched), *QUICK, "--count", "2", "--json")]
    assert len(looks) == 2
    for look in looks:
        assert look["stats"].keys() == watched.stats().keys()
        assert look["rules"][0]["rule"] == "calm"
        assert look["signals"]["memory.resident_bytes"] > 0
        assert look["lookups_per_second"] == 0
        assert "away" not in look


def test_json_says_that_it_is_away_and_what_is_new(tmp_path: Path) -> None:
    """A line for each interval whatever happens; an outcome is in one of them only."""
    config, out = tmp_path / "config", tmp_path / "lines"
    config.mkdir()
    (config / "rules.yaml").write_text("interval: 1s\nrules: []\n")
    sidecar = RunningSidecar(tmp_path / "data", ("--config", str(config))).start()
    command = [sys.executable, "-m", "sidecar", "top", *at(sidecar), *QUICK, "--json"]
    with out.open("wb") as file:
        top = subprocess.Popen(command, stdout=file)

    def looks() -> list[dict[str, Any]]:
        """All that are written, but for a line that is being written."""
        return [json.loads(line) for line in out.read_text().split("\n")[:-1]]

    try:
        wait_until(looks, "it has looked")
        assert looks()[0]["outcomes"] == []
        (config / "rules.yaml").write_text(RULES)
        wait_until(lambda: any(look.get("outcomes") for look in looks()), "the rule has fired")
        sidecar.stop()
        wait_until(lambda: "away" in looks()[-1], "it is away")
        assert "Connection refused" in looks()[-1]["away"]
        sidecar.start()
        wait_until(lambda: "away" not in looks()[-1], "it is back")
        outcomes = [one["rule"] for look in looks() for one in look.get("outcomes", ())]
        assert outcomes == ["promotion"]
        top.send_signal(signal.SIGINT)
        assert top.wait(PATIENCE_SECONDS) == 0
    finally:
        top.kill()
        top.wait()
        sidecar.stop()


def test_it_asks_a_unix_socket_as_well(watched: RunningSidecar) -> None:
    socket = str(watched.data_dir / "socket")
    [look] = lines("--socket", socket, *QUICK, "--count", "1", "--json")
    assert json.loads(look)["stats"]["tiers"]["l1"]["enabled"]


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_nothing_there_is_one_line(arguments: tuple[str, ...]) -> None:
    """Status 1, on a terminal too: whoever mistypes an address does not wait for it."""
    with terminal("top", "--url", f"http://127.0.0.1:{free_port()}", *arguments) as top:
        assert top.status() == 1
        [line] = top.text.strip().splitlines()
        assert line.endswith("Connection refused; is a sidecar running there?")


def test_what_serves_does_without_what_shows() -> None:
    """rich would be 3 MiB of every sidecar."""
    look = (
        "import sys, click, sidecar.cli as cli\n"
        "assert cli.main.get_command(click.Context(cli.main), 'serve')\n"
        "print(sorted({'rich', 'sidecar.cli.asking'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
