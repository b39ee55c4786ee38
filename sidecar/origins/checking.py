"""What is wrong with the configuration of an origin, beyond its types."""

from __future__ import annotations

from typing import NamedTuple

from sidecar.config.origins import OriginConfig
from sidecar.origins.address import Template
from sidecar.origins.allowed import Allowed
from sidecar.origins.own import OwnListeners
from sidecar.origins.request_fields import field_error


class Fault(NamedTuple):
    """The field of the configuration, and a sentence that says what to do."""

    field: str
    sentence: str


def find_fault(config: OriginConfig, allowed: Allowed, own: OwnListeners) -> Fault | None:
    """The first fault; None if there is none. Names are not resolved."""
    try:
        template = Template(config.url)
    except ValueError as error:
        return Fault("url", str(error))
    base = template.base
    refused = allowed.refusal(template) or own.refusal(base.host, base.port)
    if refused is not None:
        return Fault("url", refused)
    wrong = field_error(config.headers)
    return None if wrong is None else Fault("headers", wrong)
