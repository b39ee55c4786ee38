"""What aiohttp raises for a connection that fails, classified and in a sentence."""

from __future__ import annotations

import os

import aiohttp

from sidecar.origins.connector import ForbiddenAddressError
from sidecar.origins.errors import OriginError

DROPPED = (aiohttp.ClientError, OSError, RuntimeError, ValueError)
"""Also what it raises for heads that it cannot read, and where the session has been closed."""


def error_for(name: str, error: Exception) -> OriginError:
    """The error of a fetch from the server of this name."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            why = f"its certificate is not valid: {_line(error.certificate_error)}"
            return OriginError("unreachable", f"{name} cannot be reached: {why}.")
        case aiohttp.ClientConnectorError(os_error=ForbiddenAddressError() as refused):
            return OriginError("forbidden", f"{name} is not connected to: {refused}")
        case aiohttp.ClientConnectorError():
            return OriginError("unreachable", f"{name} cannot be reached: {_why(error)}.")
        case aiohttp.ClientResponseError() | ValueError():
            return OriginError("malformed", f"{name} answered with what is not valid HTTP.")
    return OriginError("interrupted", f"{name} ended the connection before its whole response.")


def _why(error: aiohttp.ClientConnectorError) -> str:
    """The reason without an address. The numbers of resolvers and TLS are not those of errno."""
    reason = error.os_error
    has_number = reason.errno is not None and reason.errno > 0
    if has_number and not isinstance(error, aiohttp.ClientSSLError):
        return os.strerror(reason.errno or 0)
    return _line(reason)


def _line(reason: Exception) -> str:
    strerror = getattr(reason, "strerror", None)
    return " ".join(str(strerror or reason).split()).rstrip(".")
