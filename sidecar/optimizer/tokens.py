"""The tokens of conditions, and the advice for text that is rejected."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from sidecar.config.wording import shown

MAX_CHARACTERS = 2000
MAX_TOKENS = 400

Kind = Literal["space", "number", "name", "text", "comment", "sign", "end"]

_TOKENS = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<number>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?![\w.]))
    |(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
    |(?P<text>"[^"\\\r\n]*"|'[^'\\\r\n]*')
    |(?P<comment>//)
    |(?P<sign>&&|\|\||[<>=!]=|[-+*/%<>!?:(),])""",
    re.ASCII | re.VERBOSE,
)
_NO_NUMBER = re.compile(r"[\w.]+", re.ASCII)

_BAD_TEXT = "the text has no end, or contains a backslash; close it, and use no escapes"
ADVICE = {
    **dict.fromkeys("[]{}", "lists and maps are not supported; remove it"),
    **dict.fromkeys("\"'", _BAD_TEXT),
    "in": "lists are not supported; compare with == and join with ||",
    "null": "a signal is a number, and a rule without its signals does not run; remove it",
    "=": "write == to compare",
    "&": "write && for and",
    "|": "write || for or",
    "//": "comments are not supported here; write them after # on a separate line",
}
"""Advice for tokens that are valid in other languages, or in the rest of CEL."""


class ConditionError(ValueError):
    """A condition was rejected. `message` is a sentence; `column` counts from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"{message} (column {column})")
        self.message = message
        self.column = column


class Token(NamedTuple):
    """A token. The last token of a condition has the kind `end` and no text."""

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def refused(message: str, token: Token) -> ConditionError:
    """An error at the position of a token."""
    return ConditionError(message, token.start + 1)


def split(text: str) -> list[Token]:
    """The tokens of a condition, with the end token. Raises ConditionError. O(length)."""
    if len(text) > MAX_CHARACTERS:
        raise ConditionError(f"too costly: more than {MAX_CHARACTERS} characters; shorten it", 1)
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKENS.match(text, at)
        if match is None or match.lastgroup == "comment":
            raise _unreadable(text, at)
        at = match.end()
        kind: Kind = match.lastgroup  # type: ignore[assignment]  # the groups are the kinds
        if kind != "space":
            tokens.append(Token(kind, match[0], match.start()))
    if len(tokens) > MAX_TOKENS:
        raise refused(f"too costly: more than {MAX_TOKENS} words and signs; shorten it", tokens[-1])
    return [*tokens, Token("end", "", len(text))]


def _unreadable(text: str, at: int) -> ConditionError:
    message = ADVICE.get(text[at : at + 2]) or ADVICE.get(text[at])
    if message is None and (word := _NO_NUMBER.match(text, at)):
        message = f"{shown(word[0])} is not a number; write for example 0.5 or 1000.0"
    return ConditionError(message or f"{shown(text[at])} is not supported here; remove it", at + 1)
