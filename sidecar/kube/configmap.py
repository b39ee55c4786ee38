"""A ConfigMap as the API server writes it -> the texts of a document."""

from __future__ import annotations

import msgspec

from sidecar.config.errors import FieldError, InvalidDocument
from sidecar.config.values import DOCUMENT_KEYS


class Metadata(msgspec.Struct, rename="camel"):
    """Of an object or of a list; nothing else of it is of interest."""

    name: str = ""
    resource_version: str = ""


class ConfigMap(msgspec.Struct, rename="camel"):
    """One ConfigMap, immutable or not. What is in `binary_data` is not decoded."""

    metadata: Metadata
    data: dict[str, str] | None = None
    binary_data: dict[str, msgspec.Raw] | None = None

    def texts(self) -> dict[str, str]:
        """The texts of the document's keys; none where it has none of them.

        Raises InvalidDocument where one of them is binary.
        """
        binary = self.binary_data or {}
        errors = [FieldError(key, 1, "", _BINARY) for key in DOCUMENT_KEYS if key in binary]
        if errors:
            raise InvalidDocument(errors)
        data = self.data or {}
        return {key: data[key] for key in DOCUMENT_KEYS if key in data}

    def other_keys(self) -> list[str]:
        """The keys that are no part of a document: somebody else's, or misspelt."""
        keys = {**(self.data or {}), **(self.binary_data or {})}
        return sorted(keys.keys() - set(DOCUMENT_KEYS))


class ConfigMapList(msgspec.Struct):
    """The answer to a list."""

    metadata: Metadata
    items: list[ConfigMap] = []


class WatchEvent(msgspec.Struct):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


_BINARY = (
    "it stands in binaryData, where kubectl puts what is not UTF-8; save the file as UTF-8 text"
    " and put it in data"
)
