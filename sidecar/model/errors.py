"""The exceptions of the data path, by whose fault they are. A miss is no exception."""

from __future__ import annotations


class WriteError(Exception):
    """A write that was not done, or not for certain."""


class PreconditionFailedError(WriteError):
    """The caller's If-Match or If-None-Match does not hold; nothing was changed."""


class TooManyInvalidationsError(WriteError):
    """More scopes are waiting for their sweep than may be stored; try again later."""


class OutcomeUnknownError(WriteError):
    """L3 did not answer a durable write in time: it may or may not survive a restart."""


class NotReadyError(WriteError):
    """L3 did not answer in time, and nothing was changed."""
