"""The language of conditions: the subset of CEL for numbers, with type checks.

The CEL library compiles and evaluates, but checks no types, and a short circuit hides a type error
until the operand is evaluated. So this parser checks a condition first. It is an operator
precedence parser (Pratt, "Top down operator precedence", 1973), which yields types in one pass and
builds no tree. The grammar is CEL's (github.com/google/cel-spec, langdef.md), so the library gives
an accepted condition the same meaning. The parts of CEL that are left out are useless for numbers,
or have an unbounded cost. This module does not resolve names.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from sidecar.config.wording import shown
from sidecar.optimizer.tokens import ADVICE, ConditionError, Token, refused, split

MAX_DEPTH = 32

EXAMPLE = 'write for example mean(cache.hit_ratio, "5m")'
"""A valid call, for error messages."""

LARGEST_WHOLE = 1 << 53
"""Up to this number, comparisons of whole numbers with doubles are exact."""

Type = Literal["a number", "a whole number", "true or false", "text"]

_NUMERIC = ("a number", "a whole number")

_BINDING = {
    "?": 1,
    "||": 2,
    "&&": 3,
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), 4),
    **dict.fromkeys("+-", 5),
    **dict.fromkeys("*/%", 6),
}
_UNARY = 7

_MACROS = ("all", "exists", "exists_one", "filter", "has", "map")


class Reference(NamedTuple):
    """A name or a function call that stands for a number. A name has no arguments."""

    name: Token
    arguments: tuple[Token, ...]
    end: int


class _Part(NamedTuple):
    """A parsed expression: its type and its position in the text."""

    type: Type
    start: int
    end: int


def read(text: str) -> list[Reference]:
    """The references in a condition, in order.

    Raises ConditionError if the condition is malformed, not boolean, or too costly. O(length).
    """
    reader = _Reader(text)
    reader.condition()
    return reader.references


class _Reader:
    """Parses tokens into types; each method reads one construct, from the current token on."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = split(text)
        self._at = 0
        self._depth = 0
        self.references: list[Reference] = []

    def condition(self) -> None:
        whole = self._expression(0)
        if self._token.kind != "end":
            raise self._misplaced()
        if whole.type != "true or false":
            message = f"a condition must be true or false, but this is {whole.type}; compare it"
            raise ConditionError(message, 1)

    def _expression(self, above: int) -> _Part:
        """An operand, with all operators that bind more tightly than `above`."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise refused(f"too costly: nested deeper than {MAX_DEPTH}; flatten it", self._token)
        left = self._operand()
        while self._token.kind == "sign" and _BINDING.get(self._token.text, 0) > above:
            operator = self._next()
            if operator.text == "?":
                left = self._choice(left, operator)
            else:
                left = self._binary(left, operator, self._expression(_BINDING[operator.text]))
        self._depth -= 1
        return left

    # ---- operands

    def _operand(self) -> _Part:
        token = self._token
        match token.kind, token.text:
            case "number", _:
                return self._number(self._next())
            case "text", _:
                return _Part("text", token.start, self._next().end)
            case "name", "true" | "false":
                return _Part("true or false", token.start, self._next().end)
            case "name", name if name not in ADVICE:
                return self._reference(self._next())
            case "sign", "(":
                self._next()
                inner = self._expression(0)
                return _Part(inner.type, token.start, self._expect(")").end)
            case "sign", "-" | "!":
                return self._unary(self._next(), self._expression(_UNARY))
        raise self._misplaced()

    def _number(self, token: Token) -> _Part:
        if token.text.isdecimal():
            if int(token.text) > LARGEST_WHOLE:
                raise refused("the whole number is too large; write it as 1e16", token)
            return _Part("a whole number", token.start, token.end)
        if math.isinf(float(token.text)):
            raise refused("the number is too large; write at most 1e308", token)
        return _Part("a number", token.start, token.end)

    def _reference(self, name: Token) -> _Part:
        arguments: list[Token] = []
        end = name.end
        if self._token.text == "(":
            if name.text.rpartition(".")[2] in _MACROS:
                raise refused("the cost of macros is unbounded; compare signals instead", name)
            separator = self._next()
            while separator.text != ")":
                arguments.append(self._argument())
                separator = self._expect("," if self._token.text == "," else ")")
            end = separator.end
        self.references.append(Reference(name, tuple(arguments), end))
        return _Part("a number", name.start, end)

    def _argument(self) -> Token:
        if self._token.kind not in ("name", "text", "number"):
            raise refused(f"a function takes a signal and a duration; {EXAMPLE}", self._token)
        return self._next()

    # ---- operators

    def _unary(self, operator: Token, part: _Part) -> _Part:
        if operator.text == "!":
            self._want_truth(part, operator)
        elif part.type not in _NUMERIC:
            raise refused(f"- takes a number, but this is {part.type}; remove it", operator)
        return _Part(part.type, operator.start, part.end)

    def _choice(self, condition: _Part, operator: Token) -> _Part:
        self._want_truth(condition, operator)
        first = self._expression(_BINDING["?"])
        self._expect(":")
        second = self._expression(0)
        if first.type != second.type:
            types = f"{first.type} and {second.type}"
            raise refused(f"? chooses between {types}; use the same type for both", operator)
        return _Part(first.type, condition.start, second.end)

    def _binary(self, left: _Part, operator: Token, right: _Part) -> _Part:
        result: Type = "true or false"
        match operator.text:
            case "&&" | "||":
                self._want_truth(left, operator)
                self._want_truth(right, operator)
            case "==" | "!=" | "<" | "<=" | ">" | ">=":
                self._want_comparable(left, operator, right)
            case "%":
                raise refused("% is for whole numbers, and no signal is one; remove it", operator)
            case _:
                self._want_number(left, operator)
                self._want_number(right, operator)
                result = "a number"
        return _Part(result, left.start, right.end)

    def _want_truth(self, part: _Part, operator: Token) -> None:
        if part.type != "true or false":
            written = shown(self._text[part.start : part.end])
            message = f"{operator.text} takes true or false, but {written} is {part.type}"
            raise refused(f"{message}; compare it first", operator)

    def _want_number(self, part: _Part, operator: Token) -> None:
        """Reject whole numbers in arithmetic: CEL doesn't mix them with others, and 1/2 would be 0.

        So whole numbers occur only as constants: there is no overflow and no division by zero.
        """
        if part.type == "a number":
            return
        advice = "calculate with numbers only"
        if part.type == "a whole number":
            written = self._text[part.start : part.end]
            plain = written.removeprefix("-").isdecimal()
            advice = f"write {written}.0" if plain else "write each of them with .0"
        kind = part.type.removeprefix("a ")
        raise refused(f"{operator.text} takes no {kind}; {advice}", operator)

    def _want_comparable(self, left: _Part, operator: Token, right: _Part) -> None:
        if left.type in _NUMERIC and right.type in _NUMERIC:
            return
        if left.type != right.type:
            truth = "true or false" in (left.type, right.type)
            advice = "join comparisons with &&" if truth else "write the number without quotes"
            raise refused(f"{left.type} is compared with {right.type}; {advice}", operator)
        if left.type == "true or false" and operator.text not in ("==", "!="):
            raise refused("true and false have no order; join comparisons with &&", operator)

    # ---- tokens

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._token
        self._at += token.kind != "end"
        return token

    def _expect(self, sign: str) -> Token:
        if self._token.text != sign or self._token.kind != "sign":
            raise self._misplaced(f"write {sign} before it")
        return self._next()

    def _misplaced(self, advice: str = "remove it, or join it with &&") -> ConditionError:
        token = self._token
        if token.kind == "end":
            return refused("the condition is not complete; write the rest of it", token)
        advice = ADVICE.get(token.text) or f"{shown(token.text)} is misplaced; {advice}"
        return refused(advice, token)
