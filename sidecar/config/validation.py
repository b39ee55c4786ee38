"""Converts Pydantic's errors to errors for the operator, for any section of a text."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sidecar.config.errors import FieldError
from sidecar.config.tree import MAX_ERRORS, Node, Path
from sidecar.config.wording import nearest, shown

_OF_KEY = "[key]"
"""What pydantic adds to the path of a key that is wrong itself."""

M = TypeVar("M", bound=BaseModel)

_SENTENCES = {
    "bool_type": "{shown} is neither true nor false; write true or false",
    "dict_type": "{shown} is not a mapping; write keys with values below it, or remove it",
    "finite_number": "{shown} is not finite; write for example 0.75",
    "float_type": "{shown} is not a number; write for example 0.01",
    "greater_than_equal": "{shown} is too small; write at least {ge}",
    "int_type": "{shown} is not a whole number; write for example 100",
    "less_than_equal": "{shown} is too large; write at most {le}",
    "list_type": "{shown} is not a list; write for example [a, b]",
    "literal_error": "{shown} is not valid here; write {expected}",
    "missing": "the key is missing; add it",
    "model_type": "{shown} is not a mapping; write keys with values below it, or remove it",
    "string_type": "{shown} is not text; put it in quotes",
    "too_long": "there are more than {max_length}; remove some",
}


def validate(
    file: str, root: Node, model: type[M], context: object, at: Path = ()
) -> tuple[M | None, list[FieldError]]:
    """The validated section at a path of the text, and its errors; None if there are any.

    A missing section is an empty mapping.
    """
    node = root.get(at)
    try:
        return model.model_validate(node.value if node else {}, context=context), []
    except ValidationError as error:
        mistakes = error.errors(include_url=False)[:MAX_ERRORS]
    return None, [_field_error(file, root, model, at, mistake) for mistake in mistakes]


def _field_error(
    file: str, root: Node, model: type[BaseModel], at: Path, mistake: ErrorDetails
) -> FieldError:
    path = (*at, *(step for step in mistake["loc"] if step != _OF_KEY))
    return FieldError.at(file, root.line_of(path), path, _sentence(model, mistake))


def _sentence(model: type[BaseModel], mistake: ErrorDetails) -> str:
    """Pydantic's error as a sentence that says what to do."""
    context = mistake.get("ctx", {})
    if mistake["type"] == "extra_forbidden":
        *section, key = mistake["loc"]
        return f"unknown key; {nearest(str(key), _keys_of(model, section))}"
    if mistake["input"] is None:
        return "the value is missing; add one, or remove the key"
    if mistake["type"] == "value_error":
        return str(context["error"])
    expected = str(context.get("expected", "")).replace("'", "")
    template = _SENTENCES.get(mistake["type"], "{shown} is not valid here; correct it")
    return template.format_map({**context, "shown": shown(mistake["input"]), "expected": expected})


def _keys_of(model: Any, section: Collection[str | int]) -> Collection[str]:
    """The keys that a mapping may have, also one inside a list or another mapping."""
    for step in section:
        if isinstance(model, type) and issubclass(model, BaseModel):
            fields = {field.alias or name: field for name, field in model.model_fields.items()}
            model = fields[str(step)].annotation
        else:  # list[X] or dict[str, X]
            model = get_args(model)[-1]
    return [field.alias or name for name, field in model.model_fields.items()]
