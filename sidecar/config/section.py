"""What every mapping of a document has in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

# The dump omits fields that were not stated, so this value is never seen.
UNSTATED: Any = None


class Section(BaseModel):
    """A mapping of the document."""

    model_config = ConfigDict(strict=True, extra="forbid", use_attribute_docstrings=True)
