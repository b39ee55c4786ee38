"""What is wrong with a request, for any protocol to render.

Each has a `detail`, a sentence for the sender of the request that says what to do. That there is no
entry is an answer, and no error.
"""

from __future__ import annotations

from collections.abc import Callable

from sidecar.model.errors import (
    LeaseLostError,
    OutcomeUnknownError,
    PreconditionFailedError,
    TooLargeForTiersError,
    TooManyInvalidationsError,
    TooManyLeasesError,
    WriteError,
)


class RequestError(Exception):
    """A request that can't be served."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class InvalidRequestError(RequestError):
    """A name, a life, a media type or a parameter is not valid."""


class TooLargeError(RequestError):
    """A value is larger than an entry may be."""


class ConditionFailedError(RequestError):
    """The condition of the request does not hold for the version in force."""


class ConflictError(RequestError):
    """The version in force is not one that this can be done to."""


class UnavailableError(RequestError):
    """The request can't be served now: too much is in progress, or L3 does not answer."""

    def __init__(self, detail: str, retry_seconds: int = 1) -> None:
        super().__init__(detail)
        self.retry_seconds = retry_seconds


class OriginFailedError(RequestError):
    """The origin of the namespace did not answer as it should have."""


class OriginTooLateError(RequestError):
    """The origin of the namespace did not answer in time; or it was not to be asked."""


TOO_LATE = (
    "There are more requests than can be answered in time; nothing was changed. "
    "Try again in a second."
)


class TooLateError(UnavailableError):
    """The request would not be answered in time."""

    def __init__(self, detail: str = TOO_LATE) -> None:
        super().__init__(detail)


def of_write(error: WriteError, what: str) -> RequestError:
    """The error of a request whose write failed; `what` is what it would have stored."""
    if isinstance(error, OutcomeUnknownError):
        return UnavailableError(
            f"L3 did not answer in time: whether {what} is durable is not known. "
            "It is in force now, and may be lost in a restart. Try again to be sure."
        )
    return _OF_WRITES.get(type(error), _not_ready)()


def _not_ready() -> UnavailableError:
    return UnavailableError("L3 is not ready; nothing was changed. Try again.")


def _too_large_for_tiers() -> TooLargeError:
    return TooLargeError(
        "The value is larger than every tier that is in use; nothing was changed. "
        "Send less, or raise max_bytes of a tier."
    )


def _too_many_invalidations() -> UnavailableError:
    return UnavailableError("Too many invalidations are being worked off; try again.", 5)


def _too_many_leases() -> UnavailableError:
    return UnavailableError("Too many leases are held; load without one, or try again.")


def _lease_lost() -> ConditionFailedError:
    return ConditionFailedError(
        "The lease is not held: it has run out, the key was written or invalidated since, or it is "
        "another key's; nothing was changed. Get the key again."
    )


def condition_failed() -> ConditionFailedError:
    return ConditionFailedError(
        "The condition does not hold for the version in force; get that version, and try again."
    )


_OF_WRITES: dict[type[WriteError], Callable[[], RequestError]] = {
    PreconditionFailedError: condition_failed,
    TooLargeForTiersError: _too_large_for_tiers,
    TooManyInvalidationsError: _too_many_invalidations,
    TooManyLeasesError: _too_many_leases,
    LeaseLostError: _lease_lost,
}
