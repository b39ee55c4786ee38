"""The exceptions of the data path. A miss is not an exception."""

from __future__ import annotations


class WriteError(Exception):
    """A write that failed, or whose outcome is unknown."""


class PreconditionFailedError(WriteError):
    """The caller's If-Match or If-None-Match does not hold; nothing was changed."""


class TooLargeForTiersError(WriteError):
    """No tier can hold the value, even if it were empty; nothing was changed."""


class TooManyInvalidationsError(WriteError):
    """Too many scopes are waiting for a sweep; try again later."""


class OutcomeUnknownError(WriteError):
    """L3 did not answer a durable write in time: it may or may not survive a restart."""


class NotReadyError(WriteError):
    """L3 did not answer in time, and nothing was changed."""
