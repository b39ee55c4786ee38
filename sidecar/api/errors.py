"""What is wrong with a request, for any protocol to render."""

from __future__ import annotations


class InvalidRequestError(Exception):
    """A name, a life or a media type is not valid; `detail` is a sentence that says what is."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
