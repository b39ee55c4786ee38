"""The commands in the documentation: they are run, or parsed by their program.

curl and cache-sidecar run against a real sidecar. A command that would change a cluster, a machine
or this clone is parsed by its own program: `--help` after it fails for an unknown subcommand or
flag, and has no other effect.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner

from sidecar.cli import main
from tests.conftest import StartSidecar
from tests.contracts.pages import ROOT
from tests.helm.application import Application
from tests.helm.tools import HELMS, KUBECTL
from tests.running import RunningSidecar

ONLY_IN_HELM_4 = {"--server-side", "--force-conflicts"}
URL = re.compile(r"http://127\.0\.0\.1:\d+[^\s`'\"),]*")


class FailedError(AssertionError):
    """A command that does not work, with its output."""


class Terminal:
    """The terminal of a reader of a page: a folder, and the processes started there."""

    def __init__(self, folder: Path, start: StartSidecar) -> None:
        self._folder = folder
        self._start = start
        self._sidecar: RunningSidecar | None = None
        self._application: Application | None = None

    @property
    def sidecar(self) -> RunningSidecar:
        """The sidecar that the page has started, or one with the defaults."""
        self._sidecar = self._sidecar or self._start()
        return self._sidecar

    @property
    def application(self) -> Application:
        """The example's application, with that sidecar."""
        if self._application is None:
            url = f"http://127.0.0.1:{self.sidecar.port}"
            script = ROOT / "helm" / "example-app" / "files" / "app.py"
            self._application = Application(script, {"CACHE_SIDECAR_URL": url})
        return self._application

    def close(self) -> None:
        """End the application; fixtures end the sidecars."""
        if self._application is not None:
            self._application.stop()

    def type(self, line: str) -> None:
        """Run a command according to its kind. Raises FailedError, also for an unknown kind."""
        kind = line.split(maxsplit=1)[0]
        if kind not in KINDS:
            raise FailedError(f"add a kind to KINDS that runs this: {line}")
        KINDS[kind](self, line)

    # ---- kinds of commands

    def curl(self, line: str) -> None:
        """Against the ports of this test; a status of 400 or more fails."""
        flags = "--silent --show-error --fail-with-body"
        self.shell(URL.sub(lambda url: self.here(url[0]), line).replace("curl", f"curl {flags}", 1))

    def redis_cli(self, line: str) -> None:
        """Against the port of this test; an error that is answered fails."""
        self.shell(line.replace("-p 6379", f"-e -p {self.sidecar.resp_port}"))

    def here(self, url: str) -> str:
        """The URL with the port of this test instead of the usual one."""
        ports: dict[str, Callable[[], int]] = {
            "7070": lambda: self.sidecar.port,
            "7071": lambda: self.sidecar.ops_port,
            "8080": lambda: self.application.port,
        }
        return re.sub(r"(?<=:)(\d{4})", lambda port: str(ports[port[0]]()), url, count=1)

    def cache_sidecar(self, line: str) -> None:
        """`serve` replaces the running sidecar; `check` needs none; the others call it."""
        name, *arguments = shlex.split(line)[1:]
        if name == "serve":
            self._sidecar = self._start(*arguments)
            return
        command = shlex.join([sys.executable, "-m", "sidecar", name, *arguments])
        address = "" if name == "check" else self.here("http://127.0.0.1:7070")
        self.shell(f"CACHE_SIDECAR_URL={address} {command}")

    def shell(self, line: str) -> None:
        """Run it in the folder of this terminal."""
        _run(["sh", "-c", line], self._folder)

    def source(self, line: str) -> None:
        """Use a script of this test's virtual environment."""
        self.shell(line.replace(".venv/", f"{sys.prefix}/"))

    def parse(self, line: str) -> None:
        """Let a program parse a command that would act elsewhere."""
        parse(line)


def parse(line: str) -> None:
    """Check commands of PARSERS, in a pipe or alone, without running them. Raises FailedError."""
    command, _, _ = line.partition(" -- ")
    for part in command.partition(" > ")[0].split(" | "):
        program, *arguments = shlex.split(part)
        PARSERS[program](arguments)


def _parse_make(arguments: list[str]) -> None:
    _run(["make", "--dry-run", *arguments], ROOT)


def _parse_python(arguments: list[str]) -> None:
    if arguments[0] != "-m" or importlib.util.find_spec(arguments[1]) is None:
        raise FailedError(f"no such module: {arguments}")


def _parse_cache_sidecar(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, [*arguments, "--help"])
    if done.exit_code:
        raise FailedError(done.output)


def _parse_helm(arguments: list[str]) -> None:
    of_four_alone = ONLY_IN_HELM_4 & {argument.split("=")[0] for argument in arguments}
    for major, helm in HELMS.items():
        if major == "4" or not of_four_alone:
            _parse_with_help(helm, arguments)
    for path in arguments:
        if path.startswith("helm/") and not (ROOT / path).exists():
            raise FailedError(f"no such chart: {path}")


def _parse_kubectl(arguments: list[str]) -> None:
    _parse_with_help(KUBECTL, arguments)


def _parse_with_help(program: Path, arguments: list[str]) -> None:
    """If the usage asks for a command, it is that of a group, so the subcommand is unknown."""
    printed = _run([str(program), *arguments, "--help"], ROOT)
    if re.search(r"^ +\w+( \w+)* \[command\]", printed, re.MULTILINE):
        raise FailedError(printed)


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FailedError(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def _parse_xargs(arguments: list[str]) -> None:
    """The command that it runs, with a name for the argument."""
    assert arguments[0] == "-I"
    parse(shlex.join(arguments[2:]))


PARSERS: dict[str, Callable[[list[str]], None]] = {
    "cache-sidecar": _parse_cache_sidecar,
    "helm": _parse_helm,
    "kubectl": _parse_kubectl,
    "make": _parse_make,
    "python": _parse_python,
    "xargs": _parse_xargs,
}
"""Programs that check their arguments without acting on them."""

KINDS: dict[str, Callable[[Terminal, str], None]] = {
    **dict.fromkeys(PARSERS, Terminal.parse),
    "cache-sidecar": Terminal.cache_sidecar,
    "curl": Terminal.curl,
    "redis-cli": Terminal.redis_cli,
    ".": Terminal.source,
    "echo": Terminal.shell,
    "mkdir": Terminal.shell,
}
"""How each command of a page is handled, by its first word."""
