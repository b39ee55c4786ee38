"""A run as JSON, and its results as text."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from tests.bench.filling import SEED
from tests.bench.measuring import (
    AS_MEANT,
    CPU,
    MAIN_CPU,
    Bound,
    Figures,
    Plan,
    Result,
    Verdict,
)
from tests.bench.servers import HERE, ROOT, Interpreter

REFERENCE = HERE / "reference.json"
"""The full run at the commit that later work is held against."""

PROGRAMS = {
    "redis": ["redis-server", "--version"],
    "memcached": ["memcached", "--version"],
    "wrk": ["wrk", "--version"],
}


@dataclass(frozen=True, slots=True)
class Machine:
    processor: str
    processors: int
    memory_bytes: int
    kernel: str


@dataclass(frozen=True, slots=True)
class Report:
    """One run."""

    commit: str
    is_modified: bool
    """Whether the working tree differs from the commit."""
    measured_at: str
    machine: Machine
    versions: dict[str, str]
    """Of Python on the sides that it runs, and of the peers."""
    seed: int
    seconds: int
    """Of one round of one side."""
    results: dict[str, list[Result]]
    """By group."""


def begin(plan: Plan, interpreter: Interpreter) -> Report:
    """A run without results yet."""
    return Report(
        commit=git("rev-parse", "HEAD"),
        is_modified=bool(git("status", "--porcelain")),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine(),
        versions={
            "python": interpreter.version(),
            **{name: version(name) for name in ("aiohttp", "uvloop", "diskcache")},
            "redis-py": version("redis"),
            **{name: _version(command) for name, command in PROGRAMS.items()},
        },
        seed=SEED,
        seconds=plan.seconds,
        results={},
    )


def save(run: Report, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")


def load(path: Path) -> Report:
    """Raises OSError, and msgspec.ValidationError if it is no report."""
    return msgspec.json.decode(path.read_bytes(), type=Report)


def machine() -> Machine:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return Machine(
        processor=found[1] if found else platform.machine(),
        processors=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
    )


def git(*arguments: str) -> str:
    return subprocess.check_output(["git", "-C", str(ROOT), *arguments], text=True).strip()


def _version(command: list[str]) -> str:
    """The first version number that it prints; wrk prints it with the status of a failure."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    return found[0] if found else "unknown"


# ---- text


def lines(result: Result) -> list[str]:
    """A result as text: both sides, then the ratio and the bounds."""
    ours, theirs = result.sides
    printed = [f"{result.case}: {result.what}", _side(ours, result.ours)]
    if theirs:
        printed.append(_side(theirs, result.theirs))
    if result.ratio is not None:
        printed.append(f"    ratio {result.ratio:.2f} of {_words(result.figure)}")
    printed += [f"    {_verdict(verdict)}" for verdict in result.verdicts]
    if not result.is_valid:
        printed.append("    NOT VALID: too few operations were those that the case is for")
    return printed


def _side(name: str, figures: Figures) -> str:
    texts = [_text(*figure) for figure in figures.items()]
    return f"    {name:14} {'  '.join(text for text in texts if text)}"


def _text(name: str, value: float) -> str:
    match name:
        case _ if name == AS_MEANT:
            return ""
        case _ if name in (CPU, MAIN_CPU):  # more usual the other way round
            return f"{1e6 / value:7.1f} us CPU" + (" (main)" if name == MAIN_CPU else "")
        case _ if name.endswith(("_seconds", "_ratio")):
            return f"{_words(name)} {amount(name, value)}"
    return amount(name, value)


def _verdict(verdict: Verdict) -> str:
    holds = "holds" if verdict.holds else "DOES NOT HOLD"
    return f"{holds}: {_number(verdict.bound, verdict.value)}; {wanted(verdict.bound)}"


def wanted(bound: Bound) -> str:
    """A bound in words."""
    what = {"ratio": "ratio of ", "difference": "difference of ", "ours": ""}[bound.of]
    side = "at most" if bound.is_ceiling else "at least"
    return f"{what}{_words(bound.figure)}, {side} {_number(bound, bound.limit)}"


def _number(bound: Bound, value: float) -> str:
    return f"{value:.2f}" if bound.of == "ratio" else amount(bound.figure, value)


def amount(name: str, value: float) -> str:
    """A figure with its unit."""
    if name.endswith("_per_second"):
        return f"{value:8.0f}/s"
    if name.endswith("_seconds"):
        return f"{value * 1e3:.2f} ms"
    if name.endswith("_bytes"):
        return f"{value / (1 << 20):.1f} MiB"
    return f"{value:.2%}"


def _words(name: str) -> str:
    words = name.removesuffix("_seconds").replace("_bytes", " memory").replace("_", " ")
    return words.replace("p999", "p99.9").replace("cpu", "CPU")
