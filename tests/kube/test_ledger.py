"""Series and the token bucket, with a test clock."""

from __future__ import annotations

from sidecar.kube.ledger import (
    BURST,
    MOST_OPEN,
    REFILL_SECONDS,
    RESERVED,
    SERIES_SECONDS,
    Ledger,
)
from sidecar.model.announcement import Announcement


class Bench:
    """A ledger, its clock, and its writes."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.ledger = Ledger(lambda: self.now, lambda: self.now)

    def write(self) -> list[tuple[str, int]]:
        """Write all that is due: the note and the count."""
        written = []
        while (series := self.ledger.due()) is not None:
            series.written = series.count
            written.append((series.announcement.note, series.count))
        return written


def announcement(note: str, *, problem: bool = True) -> Announcement:
    return Announcement("ConfigurationRejected", "Configure", note, problem)


def test_the_same_again_is_a_series() -> None:
    bench = Bench()
    bench.ledger.put(announcement("a"))
    assert bench.write() == [("a", 1)]
    for _ in range(3):
        bench.ledger.put(announcement("a"))
    bench.ledger.put(announcement("b"))
    assert sorted(bench.write()) == [("a", 4), ("b", 1)]


def test_after_long_it_is_a_new_one() -> None:
    bench = Bench()
    bench.ledger.put(announcement("a"))
    bench.write()
    bench.now += SERIES_SECONDS + 1
    bench.ledger.put(announcement("a"))
    assert bench.write() == [("a", 1)]


def test_writes_are_a_burst_and_then_one_a_minute() -> None:
    """An event without a token is written when there is one, with its current count."""
    bench = Bench()
    for number in range(BURST + 2):
        bench.ledger.put(announcement(str(number)))
    assert [note for note, _ in bench.write()] == [str(number) for number in range(BURST)]
    bench.ledger.put(announcement(str(BURST)))
    assert bench.write() == []
    bench.now += bench.ledger.wait_seconds()
    assert bench.now == 1000.0 + REFILL_SECONDS
    assert bench.write() == [(str(BURST + 1), 1)]
    bench.now += REFILL_SECONDS
    assert bench.write() == [(str(BURST), 2)]
    assert not bench.ledger.waiting


def test_problems_come_first_and_have_tokens_of_their_own() -> None:
    """After any number of others, a burst of problems is written at once, and then the others."""
    bench = Bench()
    for number in range(BURST):
        bench.ledger.put(announcement(f"applied {number}", problem=False))
    assert len(bench.write()) == BURST - RESERVED
    problems = [f"rejected {number}" for number in range(RESERVED)]
    for note in problems:
        bench.ledger.put(announcement(note))
    assert [note for note, _ in bench.write()] == problems
    bench.now += REFILL_SECONDS
    assert bench.write() == [], "the next token is for a problem"
    bench.ledger.put(announcement("rejected again"))
    assert bench.write() == [("rejected again", 1)]
    for _ in range(BURST):
        bench.now += bench.ledger.wait_seconds()
        bench.write()
    assert not bench.ledger.waiting


def test_no_problem_is_dropped_for_what_is_none() -> None:
    bench = Bench()
    for number in range(BURST + 2):
        bench.ledger.put(announcement(f"rejected {number}"))
    bench.write()
    for number in range(10 * MOST_OPEN):
        bench.ledger.put(announcement(f"applied {number}", problem=False))
    bench.now += 2 * REFILL_SECONDS
    left = [f"rejected {number}" for number in (BURST, BURST + 1)]
    assert [note for note, _ in bench.write()] == left


def test_a_day_of_trouble_is_few_writes() -> None:
    """Different events every second: a burst, then one per minute."""
    bench, writes = Bench(), 0
    for second in range(86_400):
        bench.now += 1
        bench.ledger.put(announcement(str(second)))
        writes += len(bench.write())
    assert writes <= BURST + 86_400 / REFILL_SECONDS + 1


def test_what_is_remembered_is_bounded() -> None:
    """The oldest is dropped."""
    bench = Bench()
    for number in range(10 * MOST_OPEN):
        bench.ledger.put(announcement(str(number)))
    written = []
    for _ in range(10 * MOST_OPEN):
        written += bench.write()
        bench.now += REFILL_SECONDS
    assert written == [(str(number), 1) for number in range(9 * MOST_OPEN, 10 * MOST_OPEN)]


def test_a_problem_waits_for_no_count() -> None:
    """Problems that repeat take a token for every count, and are behind one without an Event."""
    bench = Bench()
    for number in range(BURST):
        bench.ledger.put(announcement(f"repeated {number}"))
    bench.write()
    for number in range(BURST):
        bench.ledger.put(announcement(f"repeated {number}"))
    bench.now += 1
    bench.ledger.put(announcement("new"))
    bench.now += REFILL_SECONDS
    assert bench.write() == [("new", 1)]


def test_what_is_repeated_keeps_its_turn() -> None:
    """It does not go behind others each time that it happens again."""
    bench = Bench()
    for number in range(BURST):
        bench.ledger.put(announcement(f"burst {number}"))
    bench.write()
    bench.ledger.put(announcement("lasting"))
    written = []
    for minute in range(3):
        bench.now += REFILL_SECONDS / 2
        bench.ledger.put(announcement(f"other {minute}"))
        bench.now += REFILL_SECONDS / 2
        bench.ledger.put(announcement("lasting"))
        written += [note for note, _ in bench.write()]
    assert written == ["lasting", "other 0", "other 1"]


def test_one_that_is_written_is_forgotten_before_one_that_is_not() -> None:
    bench = Bench()
    for number in range(BURST):
        bench.ledger.put(announcement(f"written {number}"))
    bench.write()
    bench.ledger.put(announcement("waits"))
    for number in range(MOST_OPEN):
        bench.ledger.put(announcement(f"written {number % BURST}"))
        bench.ledger.put(announcement(f"applied {number}", problem=False))
    bench.now += REFILL_SECONDS
    assert bench.write() == [("waits", 1)]


def test_a_written_problem_makes_room_for_one_that_waits() -> None:
    bench = Bench()
    bench.ledger.put(announcement("waits"))
    for number in range(MOST_OPEN):
        bench.ledger.put(announcement(f"written {number}"))
        for series in bench.ledger._open.values():  # as if there had been tokens
            if series.announcement.note != "waits":
                series.written = series.count
    assert ("waits", 1) in bench.write()
