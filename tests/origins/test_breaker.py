"""The circuit breaker, in worked sequences, and against any order of calls and ends."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sidecar.origins.breaker import FAILURES, FIRST_SECONDS, MOST_SECONDS, Breaker


def begun(breaker: Breaker, now: float) -> int:
    turn = breaker.begin(now)
    assert turn is not None
    return turn


def opened(now: float = 0.0) -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker.failed(begun(breaker, now), now)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    """A success in between begins the row anew."""
    breaker = Breaker()
    for _ in range(3):
        for _ in range(FAILURES - 1):
            breaker.failed(begun(breaker, 0.0), 0.0)
        breaker.succeeded(begun(breaker, 0.0))
    assert breaker.state(0.0) == "closed"
    breaker = opened()
    assert breaker.state(0.0) == "open"
    assert breaker.begin(0.0) is None
    assert breaker.seconds_left(0.0) == FIRST_SECONDS


def test_one_trial_decides() -> None:
    """A success closes it, for all."""
    breaker = opened()
    now = FIRST_SECONDS
    assert breaker.state(now) == "half_open"
    trial = begun(breaker, now)
    assert breaker.begin(now) is None
    breaker.succeeded(trial)
    assert breaker.state(now) == "closed"
    assert begun(breaker, now) == begun(breaker, now)


def test_each_failed_trial_doubles_the_wait_up_to_a_bound() -> None:
    """A success brings the first wait back."""
    breaker = opened()
    now, waits = 0.0, []
    for _ in range(10):
        waits.append(breaker.seconds_left(now))
        now += waits[-1]
        breaker.failed(begun(breaker, now), now)
    assert waits == [min(MOST_SECONDS, FIRST_SECONDS * 2**turn) for turn in range(10)]
    now += breaker.seconds_left(now)
    breaker.succeeded(begun(breaker, now))
    for _ in range(FAILURES):
        breaker.failed(begun(breaker, now), now)
    assert breaker.seconds_left(now) == FIRST_SECONDS
    assert breaker.openings == 12


def test_calls_that_began_before_it_opened_do_not_count() -> None:
    """Neither do their failures prolong the wait, nor does a success end it."""
    breaker = Breaker()
    calls = [begun(breaker, 0.0) for _ in range(3 * FAILURES)]
    for turn in calls[:-1]:
        breaker.failed(turn, 0.0)
    breaker.succeeded(calls[-1])
    assert breaker.state(0.0) == "open"
    assert breaker.seconds_left(0.0) == FIRST_SECONDS
    assert breaker.openings == 1


def test_an_abandoned_trial_is_followed_by_another() -> None:
    breaker = opened()
    trial = begun(breaker, FIRST_SECONDS)
    breaker.abandoned(trial)
    assert breaker.state(FIRST_SECONDS) == "half_open"
    assert begun(breaker, FIRST_SECONDS) == trial


class Calls(RuleBasedStateMachine):
    """Calls that overlap and end in any order and way, while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now = 0.0
        self.calls: list[tuple[int, bool]] = []
        """The turn of each call in flight, and whether it is a trial."""

    @rule(seconds=st.floats(0, MOST_SECONDS))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def begin(self) -> None:
        state = self.breaker.state(self.now)
        is_on_trial = any(trial for _, trial in self.calls)
        turn = self.breaker.begin(self.now)
        if state == "closed":
            assert turn is not None
        else:
            assert (turn is not None) == (state == "half_open" and not is_on_trial)
        if turn is not None:
            self.calls.append((turn, state != "closed"))

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0, 100), how=st.sampled_from(["succeeded", "failed", "abandoned"]))
    def end(self, which: int, how: str) -> None:
        turn, is_trial = self.calls.pop(which % len(self.calls))
        before, left = self.breaker.state(self.now), self.breaker.seconds_left(self.now)
        if how == "failed":
            self.breaker.failed(turn, self.now)
        elif how == "succeeded":
            self.breaker.succeeded(turn)
        self.breaker.abandoned(turn)
        after = self.breaker.state(self.now)
        if is_trial:
            assert after == {"succeeded": "closed", "failed": "open"}.get(how, "half_open")
        elif before != "closed":
            assert (after, self.breaker.seconds_left(self.now)) == (before, left)
        else:
            assert after == "closed" or how == "failed"

    @invariant()
    def at_most_one_trial_and_a_bounded_wait(self) -> None:
        assert sum(trial for _, trial in self.calls) <= 1
        assert 0 <= self.breaker.seconds_left(self.now) <= MOST_SECONDS


TestCalls = Calls.TestCase
TestCalls.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
