"""When a warmer is due: cron expressions of five fields, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from sidecar.config.wording import shown

MAX_CHARACTERS = 200
_FIELDS = 5
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


class Schedule:
    """A cron expression (POSIX `crontab`, with names, steps and `L`) that is due at some time.

    Raises ValueError with a sentence for any other text. Two are equal if their texts are.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        if len(text) > MAX_CHARACTERS or len(text.split()) != _FIELDS:
            raise ValueError(
                f"{shown(text)} is not a cron expression of five fields: minute, hour, day of the "
                'month, month, day of the week; write for example "0 4 * * *"'
            )
        try:
            times = CronSim(text, _ANY_TIME)
        except (CronSimError, AssertionError, ValueError) as error:
            why = str(error)
            what = why.removeprefix("Bad ") if why.startswith("Bad ") else "one of its fields"
            raise ValueError(
                f"{shown(text)} is not a cron expression: its {what} is not valid, or no month has "
                'such a day; write for example "0 4 * * *"'
            ) from None
        if next(times, None) is None:
            raise ValueError(
                f"{shown(text)} is never due, since no month has such a day; write for example "
                '"0 4 * * *"'
            )
        self.text = text

    def next_after(self, now: float) -> float | None:
        """The next time, in seconds since 1970; None if there is none in the next fifty years."""
        found = next(CronSim(self.text, datetime.fromtimestamp(now, UTC)), None)
        return None if found is None else found.timestamp()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schedule) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Schedule({self.text!r})"
