"""Conditions of rules: text -> a program over flat variables, its operands listed and checked.

Each signal, baseline, target and windowed call becomes a variable (`v0`, `v1`, ...) of CEL's
library, so an evaluation takes numbers, calls nothing back, and needs no idea of what they mean.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Literal

from sidecar.config.quantities import parse_duration
from sidecar.config.wording import nearest, shown
from sidecar.optimizer.expressions import EXAMPLE, Reference, read
from sidecar.optimizer.tokens import Token, refused
from sidecar.process.imports import without
from sidecar.signals.history import SPAN_SECONDS
from sidecar.signals.table import BY_NAME

# Importing the library imports its command line too: 26 MiB that no sidecar needs.
with without("cel.cli", ModuleType("cel.cli")):
    import cel

FUNCTIONS = {
    "mean": "the signal over the last so many seconds",
    "p95": "the value that it stayed below in 95 of 100 of the last seconds",
    "rate": "by how much it grew in a second, between both halves of the last so many seconds",
}
"""The functions over a window of a signal, and what each yields."""

SHORTEST_SECONDS = 1.0

Source = Literal["signal", "baseline", "target", "window"]


@dataclass(frozen=True, slots=True)
class Operand:
    """A number that a condition needs."""

    source: Source
    signal: str
    text: str
    """As it was written."""
    function: str = ""
    """One of FUNCTIONS, and the `seconds` it looks back, with a window; else empty and zero."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was found to be good."""

    text: str
    operands: tuple[Operand, ...]
    """In the order in which `evaluate` takes their values, each once."""
    _program: cel.Program = field(repr=False, compare=False)
    _variables: tuple[str, ...] = field(repr=False, compare=False)

    @property
    def reach_seconds(self) -> float:
        """How far back its longest window goes."""
        return max((operand.seconds for operand in self.operands), default=0.0)

    def evaluate(self, values: Sequence[float]) -> bool:
        """Whether it holds for these values of its operands; a few microseconds.

        Arithmetic may have no result (0/0). A comparison with that is neither true nor false, and
        nor is the condition then, unless `&&` or `||` decide it otherwise: it does not hold.
        """
        try:
            return self._program.execute(dict(zip(self._variables, values, strict=True))) is True
        except TypeError:  # how the library says that NaN has no order; types have been checked
            return False


def compile_condition(text: str, references: Collection[str] | None = None) -> Condition:
    """The condition that the text states. O(length), at most a few milliseconds.

    `references` are the baselines and targets that there are, as `baseline.cache.hit_ratio`; with
    None any signal's is taken. Raises ConditionError.
    """
    operands: dict[Operand, str] = {}
    program: list[str] = []
    end = 0
    for reference in read(text):
        operand = _resolved(text, reference, references)
        variable = operands.setdefault(operand, f"v{len(operands)}")
        program += text[end : reference.name.start], variable
        end = reference.end
    program.append(text[end:])
    return Condition(text, tuple(operands), cel.compile("".join(program)), tuple(operands.values()))


def _resolved(text: str, reference: Reference, references: Collection[str] | None) -> Operand:
    written = text[reference.name.start : reference.end]
    name = reference.name
    if reference.end != name.end:
        return _window(written, reference)
    match name.text.partition("."):
        case ("baseline" | "target" as source, ".", signal):
            _signal(name, signal)
            if references is not None and name.text not in references:
                raise refused(f"{signal} has no {source}; state one in baselines.yaml", name)
            return Operand(source, signal, written)
    return Operand("signal", _signal(name, name.text), written)


def _window(written: str, reference: Reference) -> Operand:
    function = reference.name
    if function.text not in FUNCTIONS:
        advice = nearest(function.text, FUNCTIONS)
        raise refused(f"{shown(function.text)} is not a function here; {advice}", function)
    match reference.arguments:
        case (Token(kind="name") as signal, Token(kind="text") as span):
            seconds = _seconds(span)
            return Operand("window", _signal(signal, signal.text), written, function.text, seconds)
    message = f"a function takes a signal and a duration in quotes; {EXAMPLE}"
    raise refused(message, function)


def _signal(token: Token, name: str) -> str:
    if name not in BY_NAME:
        raise refused(f"{shown(name)} is not a signal; {nearest(name, BY_NAME)}", token)
    return name


def _seconds(span: Token) -> float:
    try:
        seconds = parse_duration(span.text[1:-1])
    except ValueError as error:
        raise refused(str(error), span) from None
    if not SHORTEST_SECONDS <= seconds <= SPAN_SECONDS:
        raise refused(
            f"{shown(span.text[1:-1])} is not between {SHORTEST_SECONDS:g}s and"
            f" {SPAN_SECONDS / 60:g}m, as long as signals are remembered; write for example 5m",
            span,
        )
    return seconds
