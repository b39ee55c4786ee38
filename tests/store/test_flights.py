"""Flights: who is called when one lands."""

from __future__ import annotations

from sidecar.store.flights import Flight, Flights


def test_a_waiter_with_an_error_keeps_no_answer_from_the_others() -> None:
    """They are called, and the next read of the key is a new flight."""
    departed: list[Flight[str]] = []
    flights: Flights[str] = Flights(departed.append)
    seen: list[str] = []

    def fail(overtaken: bool, cargo: str) -> None:
        raise KeyError(cargo)

    def see(overtaken: bool, cargo: str) -> None:
        seen.append(cargo)

    for on_landing in (see, fail, see):
        flights.call(b"ns/a", on_landing)
    flights.land(departed[0], "answer")
    assert seen == ["answer"] * 2
    assert len(flights) == 0
    flights.call(b"ns/a", see)
    assert len(departed) == 2
