"""What a client prefers of an answer (RFC 7240)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.http.fields import PREFER, list_field

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

APPLIED = "Preference-Applied: return=representation\r\n"


def wants_representation(headers: CIMultiDictProxy[str]) -> bool:
    """Whether a deletion is to be answered with what it removes: `Prefer: return=representation`
    (RFC 7240, section 4.2). Other preferences are ignored, as they may be.
    """
    if PREFER not in headers:
        return False
    preferences = (list_field(headers, "Prefer") or "").replace('"', "").split(",")
    stated = ["".join(each.partition(";")[0].split()).lower() for each in preferences]
    return "return=representation" in stated
