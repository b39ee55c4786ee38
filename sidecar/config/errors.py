"""Errors in a document, which say how to correct it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sidecar.config.wording import key_path


@dataclass(frozen=True, slots=True, order=True)
class FieldError:
    """One error. As text: `cache.yaml:3: tiers.l2.max_bytes: "x" is not a size; write ...`."""

    file: str
    line: int
    """Counts from 1."""
    path: str
    """Dotted; empty for the text as a whole."""
    message: str
    """A sentence that ends with what to do."""

    @classmethod
    def at(cls, file: str, line: int, steps: Iterable[str | int], message: str) -> FieldError:
        """The error at the value with this path of keys and indices."""
        return cls(file, line, key_path(steps), message)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}{self.path and ': '}{self.message}"


class InvalidDocument(Exception):  # noqa: N818  # it is the document that is wrong, not the program
    """The document is rejected as a whole; `errors` are all of its errors, in reading order."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors: tuple[FieldError, ...] = tuple(errors)
        super().__init__("\n".join(map(str, self.errors)))


class UnreadableFolderError(Exception):
    """The folder, or a file in it, cannot be read; the message names the path and the reason."""
