"""Header fields of the requests to an origin: those of the configuration, and our own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version

from sidecar.origins.results import Validators

MAX_FIELDS = 32
MAX_CHARACTERS = 4096
"""Of one value."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
_OURS = frozenset(
    (
        *("accept-encoding", "connection", "content-length", "expect", "host", "keep-alive"),
        *("proxy-authorization", "proxy-connection", "range", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    )
)


def field_error(fields: Mapping[str, str]) -> str | None:
    """What is wrong with configured fields, as a sentence without their values; None if nothing."""
    if len(fields) > MAX_FIELDS:
        return f"There are {len(fields)} header fields; write at most {MAX_FIELDS}"
    names = [name.lower() for name in fields]
    for name, value in fields.items():
        if not _NAME.fullmatch(name):
            return f"{name[:100]!r} is not the name of a header field; write for example X-Tenant"
        if names.count(name.lower()) > 1:
            return f"{name} is there twice; write it once"
        if name.lower() in _OURS or name.lower().startswith("if-"):
            return f"{name} is set by the sidecar itself; remove it"
        if len(value) > MAX_CHARACTERS or not _VALUE.fullmatch(value):
            return (
                f"The value of {name} is not one line of ASCII without spaces around it, of 1 to "
                f"{MAX_CHARACTERS:,} characters"
            )
    return None


def fields_of_all(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields of every request. Values are wanted as they are stored: without a coding."""
    return {
        "User-Agent": f"cache-sidecar/{version('cache-sidecar')}",
        **fields,
        "Accept-Encoding": "identity",
    }


def conditions(validators: Validators) -> dict[str, str]:
    """The fields of a revalidation (RFC 9111, section 4.3.1)."""
    named = {"If-None-Match": validators.etag, "If-Modified-Since": validators.last_modified}
    return {name: value for name, value in named.items() if value is not None}
