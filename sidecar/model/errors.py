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


class LeaseLostError(WriteError):
    """The lease of a put is not held any more, or never was; nothing was changed."""


class TooManyLeasesError(WriteError):
    """As many leases are held as there may be."""


class OutcomeUnknownError(WriteError):
    """L3 did not answer a durable write in time: it may or may not survive a restart."""


class NotReadyError(WriteError):
    """L3 did not answer in time, and nothing was changed."""
