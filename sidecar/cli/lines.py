"""The output of `top` without a terminal: a line per sample, as text or as JSON."""

from __future__ import annotations

import time
from collections.abc import Iterator

from msgspec import Raw, Struct, json

from sidecar.api.answers import Standing, Trial
from sidecar.api.entries import HotKey
from sidecar.cli import figures
from sidecar.cli.figures import Readings
from sidecar.cli.palette import TIERS
from sidecar.cli.report import change_of, comparison_of
from sidecar.cli.watching import Watch
from sidecar.model.outcome import Outcome

_HEADING_EVERY = 20
_SHARES = (*TIERS, "miss")
_SIGNALS = {
    "get p50": "http.get_p50_seconds",
    "get p99": "http.get_p99_seconds",
    "put p99": "http.put_p99_seconds",
    "resp p99": "resp.get_p99_seconds",
    "memory": "memory.working_set_bytes",
}


class Line(Struct, omit_defaults=True):
    """One sample as JSON; fields without a value are omitted.

    `at` is seconds since 1970. If the sidecar is unreachable, `away` is the reason and other fields
    are omitted. `stats`, `trial`, `rules`, `outcomes` and `hot` are as in the API; `outcomes` has
    only new ones. `signals` are values by name. Rates, and shares from 0 to 1, cover the time since
    the previous line.
    """

    at: float
    away: str | None = None
    lookups_per_second: float | None = None
    hit_ratio: float | None = None
    shares: dict[str, float] | None = None
    stats: Raw | None = None
    level: str | None = None
    trial: Trial | None = None
    rules: list[Standing] | None = None
    signals: dict[str, float] | None = None
    outcomes: list[Outcome] | None = None
    hot: list[HotKey] | None = None


def as_json(watch: Watch) -> Iterator[str]:
    """One object."""
    if watch.away is not None:
        yield json.encode(Line(time.time(), away=watch.away)).decode()
        return
    look, growth = watch.latest, watch.growth
    line = Line(
        look.at,
        stats=Raw(json.format(look.stats_body, indent=-1)),
        level=look.optimizer.level,
        trial=look.optimizer.trial,
        rules=look.optimizer.rules,
        signals={
            name: signal.value
            for name, signal in look.optimizer.signals.items()
            if signal.value is not None
        },
        outcomes=watch.fresh,
        hot=look.hot,
    )
    if growth is not None:
        line.lookups_per_second, line.hit_ratio = growth.lookups_per_second, growth.hit_ratio
        line.shares = growth.shares
    yield json.encode(line).decode()


class Text:
    """Columns with a repeated heading, and a line for each outcome."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self._rows = 0
        self._told_away = False

    def __call__(self, watch: Watch) -> Iterator[str]:
        """The lines of a sample. An unreachable sidecar is reported once."""
        if watch.away is not None:
            if not self._told_away:
                yield f"{_clock(time.time())}  away: {watch.away}"
            self._told_away, self._rows = True, 0
            return
        self._told_away = False
        if self._rows % _HEADING_EVERY == 0:
            yield _columns("time", "lookups/s", "hit ratio", *_SHARES, *_SIGNALS)
        self._rows += 1
        yield _columns(_clock(watch.latest.at), *_rates(watch), *_signals(watch, self._readings))
        for outcome in watch.fresh:
            said = filter(None, (change_of(outcome), comparison_of(outcome, self._readings)))
            verdict = outcome.outcome.replace("_", " ")
            yield f"{_clock(outcome.ended_at)}  {outcome.rule}: {verdict}, {'; '.join(said)}"


def _rates(watch: Watch) -> Iterator[str]:
    growth = watch.growth
    yield "-" if growth is None else figures.per_second(growth.lookups_per_second)
    shares = {} if growth is None else growth.shares
    yield "-" if growth is None or growth.hit_ratio is None else figures.share(growth.hit_ratio)
    for name in _SHARES:
        yield figures.share(shares[name]) if name in shares else "-"


def _signals(watch: Watch, readings: Readings) -> Iterator[str]:
    for name in _SIGNALS.values():
        value = watch.latest.signal(name)
        yield "-" if value is None else readings.reading(name, value)


def _columns(clock: str, lookups: str, ratio: str, *others: str) -> str:
    return f"{clock:<8}  {lookups:>10}  {ratio:>9}" + "".join(f"  {one:>8}" for one in others)


def _clock(seconds: float) -> str:
    return figures.day_and_time(seconds)[1]
