"""Compiles the conditions of rules: checks a text and its operands, and builds a CEL program.

Each signal, baseline, target and windowed call becomes a variable (`v0`, `v1`, ...) of the CEL
library, so an evaluation takes only numbers, makes no callbacks, and does not depend on their
meaning.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Literal

from sidecar.config.quantities import parse_duration
from sidecar.config.wording import nearest, shown
from sidecar.optimizer.expressions import EXAMPLE, Reference, read
from sidecar.optimizer.functions import Function
from sidecar.optimizer.tokens import Token, refused
from sidecar.process.imports import without
from sidecar.signals.history import SPAN_SECONDS

# Importing the library also imports its command line, which takes 26 MiB and is not used.
with without("cel.cli", ModuleType("cel.cli")):
    import cel

SHORTEST_SECONDS = 1.0

Source = Literal["signal", "baseline", "target", "window"]


@dataclass(frozen=True, slots=True)
class Operand:
    """A number that a condition needs."""

    source: Source
    signal: str
    text: str
    """As written in the condition."""
    function: Function | None = None
    """The function applied to the window, if there is one."""
    seconds: float = 0.0
    """The length of the window."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A checked and compiled condition."""

    text: str
    operands: tuple[Operand, ...]
    """Without duplicates, in the order in which `evaluate` takes their values."""
    _program: cel.Program = field(repr=False, compare=False)
    _variables: tuple[str, ...] = field(repr=False, compare=False)

    @property
    def reach_seconds(self) -> float:
        """The length of the longest window; 0 if there is none."""
        return max((operand.seconds for operand in self.operands), default=0.0)

    @property
    def sorted_windows(self) -> frozenset[tuple[str, float]]:
        """The windows whose values the history keeps sorted: the signal and the seconds."""
        return frozenset(
            (operand.signal, operand.seconds)
            for operand in self.operands
            if operand.function is not None and operand.function.is_sorted
        )

    def evaluate(self, values: Sequence[float]) -> bool:
        """Whether the condition holds for these values of its operands; a few microseconds.

        The result of 0/0 is NaN. A comparison with NaN is neither true nor false. Unless `&&` or
        `||` determine the result without it, the same is true of the condition, which then does
        not hold.
        """
        try:
            return self._program.execute(dict(zip(self._variables, values, strict=True))) is True
        except TypeError:  # the library's error for a comparison with NaN; types are checked before
            return False


@dataclass(frozen=True, slots=True)
class Compiler:
    """Compiles conditions over the given signals and functions."""

    signals: Collection[str]
    functions: Mapping[str, Function]

    def compile(self, text: str, references: Collection[str] | None = None) -> Condition:
        """Compile a condition. O(length), at most a few milliseconds.

        `references` are the baselines and targets that exist, such as `baseline.cache.hit_ratio`;
        None allows those of every signal. Raises ConditionError.
        """
        operands: dict[Operand, str] = {}
        program: list[str] = []
        end = 0
        for reference in read(text):
            operand = self._resolved(text, reference, references)
            variable = operands.setdefault(operand, f"v{len(operands)}")
            program += text[end : reference.name.start], variable
            end = reference.end
        program.append(text[end:])
        compiled = cel.compile("".join(program))
        return Condition(text, tuple(operands), compiled, tuple(operands.values()))

    def _resolved(
        self, text: str, reference: Reference, references: Collection[str] | None
    ) -> Operand:
        written = text[reference.name.start : reference.end]
        name = reference.name
        if reference.end != name.end:
            return self._window(written, reference)
        match name.text.partition("."):
            case ("baseline" | "target" as source, ".", signal):
                self._signal(name, signal)
                if references is not None and name.text not in references:
                    raise refused(f"{signal} has no {source}; state one in baselines.yaml", name)
                return Operand(source, signal, written)
        return Operand("signal", self._signal(name, name.text), written)

    def _window(self, written: str, reference: Reference) -> Operand:
        name = reference.name
        function = self.functions.get(name.text)
        if function is None:
            advice = nearest(name.text, self.functions)
            raise refused(f"{shown(name.text)} is not a function here; {advice}", name)
        match reference.arguments:
            case (Token(kind="name") as signal, Token(kind="text") as span):
                seconds = _seconds(span)
                found = self._signal(signal, signal.text)
                return Operand("window", found, written, function, seconds)
        message = f"a function takes a signal and a duration in quotes; {EXAMPLE}"
        raise refused(message, name)

    def _signal(self, token: Token, name: str) -> str:
        if name not in self.signals:
            raise refused(f"{shown(name)} is not a signal; {nearest(name, self.signals)}", token)
        return name


def _seconds(span: Token) -> float:
    try:
        seconds = parse_duration(span.text[1:-1])
    except ValueError as error:
        raise refused(str(error), span) from None
    if not SHORTEST_SECONDS <= seconds <= SPAN_SECONDS:
        raise refused(
            f"{shown(span.text[1:-1])} is not between {SHORTEST_SECONDS:g}s and"
            f" {SPAN_SECONDS / 60:g}m, the length of the signal history; write for example 5m",
            span,
        )
    return seconds
