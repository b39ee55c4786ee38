"""Decodes a ConfigMap from the API server into the texts of a document."""

from __future__ import annotations

import msgspec

from sidecar.config.errors import FieldError, InvalidDocument
from sidecar.config.names import key_meant
from sidecar.config.values import DOCUMENT_KEYS


class Metadata(msgspec.Struct, rename="camel"):
    """The metadata of an object or of a list, without fields that are not used."""

    name: str = ""
    resource_version: str = ""


class ConfigMap(msgspec.Struct, rename="camel"):
    """One ConfigMap, immutable or not. `binary_data` is not decoded."""

    metadata: Metadata
    data: dict[str, str] | None = None
    binary_data: dict[str, msgspec.Raw] | None = None

    def texts(self) -> dict[str, str]:
        """The texts of the document's keys that it has, and no text for those that are misspelt.
        Raises InvalidDocument if one is binary.
        """
        binary = self.binary_data or {}
        errors = [FieldError(key, 1, "", _BINARY) for key in DOCUMENT_KEYS if key in binary]
        if errors:
            raise InvalidDocument(errors)
        data = self.data or {}
        texts = {key: data[key] for key in DOCUMENT_KEYS if key in data}
        return texts | {key: "" for key in self.all_keys() if key_meant(key)}

    def content(self) -> tuple[object, ...]:
        """What of it concerns the sidecar: the same after a change of its metadata."""
        data = {key: text for key, text in (self.data or {}).items() if key in DOCUMENT_KEYS}
        return data, self.all_keys(), set(self.binary_data or {})

    def other_keys(self) -> list[str]:
        """The keys that are not part of a document, and not meant to be: for another program."""
        others = self.all_keys() - set(DOCUMENT_KEYS)
        return sorted(key for key in others if not key_meant(key))

    def all_keys(self) -> set[str]:
        return {*(self.data or {}), *(self.binary_data or {})}


class ConfigMapList(msgspec.Struct):
    """The response to a list."""

    metadata: Metadata
    items: list[ConfigMap] | None = None  # servers in Go send null for none


class WatchEvent(msgspec.Struct):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


_BINARY = (
    "it is in binaryData, where kubectl puts data that is not UTF-8; save the file as UTF-8 text"
    " and put it in data"
)
