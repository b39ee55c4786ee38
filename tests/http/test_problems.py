"""Every error common to all protocols has an HTTP status."""

from __future__ import annotations

import inspect

import pytest

from sidecar.api import errors
from sidecar.api.errors import (
    ConditionFailedError,
    RequestError,
    TooLargeError,
    UnavailableError,
)
from sidecar.http.problems import problem_of
from sidecar.model.errors import (
    LeaseLostError,
    PreconditionFailedError,
    TooLargeForTiersError,
    WriteError,
)

ERRORS = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, RequestError) and error is not RequestError
]


@pytest.mark.parametrize("error", ERRORS)
def test_each_error_of_a_request_is_a_problem(error: type[RequestError]) -> None:
    """The problem has its sentence; only 503 means a retry is useful, and states when."""
    found = problem_of(error("It is wrong."))
    assert found.detail == "It is wrong."
    assert (found.status == 503) == ("Retry-After: 1\r\n" in found.headers)
    assert (found.status == 503) == issubclass(error, UnavailableError)


@pytest.mark.parametrize("error", WriteError.__subclasses__())
def test_each_way_that_a_write_fails_is_an_error_of_its_request(error: type[WriteError]) -> None:
    """A failed condition stays false, a lost lease lost, and a value too large; all others can be
    retried.
    """
    found = errors.of_write(error(), "the value")
    lasting = {
        PreconditionFailedError: ConditionFailedError,
        LeaseLostError: ConditionFailedError,
        TooLargeForTiersError: TooLargeError,
    }
    assert type(found) is lasting.get(error, UnavailableError)
    assert found.detail.endswith(".")
