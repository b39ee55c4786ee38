"""The screen of `top`: from totals down to single changes.

It fits any size: long lines are cut on the right, and lists show the most important rows first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from sidecar.api.answers import Overview, Standing
from sidecar.api.entries import HotKey
from sidecar.cli import figures
from sidecar.cli.figures import Readings
from sidecar.cli.palette import TIERS
from sidecar.cli.plot import Plot
from sidecar.cli.report import change_of, comparison_of, effect, named, styled
from sidecar.cli.stats import PROTOCOLS, held, state
from sidecar.cli.watching import Watch
from sidecar.config.wording import printable
from sidecar.model.outcome import Outcome

_URGENCY = ("active", "pending", "cooling_down", "unavailable", "inactive", "disabled")
"""The order in which rules are shown; an unknown state of a newer version comes first."""
_FIXED_LINES = 16
"""The rows other than those of the plot, the rules and the outcomes."""
_LEAST = {"plot": 3, "rules": 3, "outcomes": 2}
_LATENCIES = {
    "http": {
        "GET p50": "http.get_p50_seconds",
        "p99": "http.get_p99_seconds",
        "PUT p99": "http.put_p99_seconds",
    },
    "resp": {
        "GET p50": "resp.get_p50_seconds",
        "p99": "resp.get_p99_seconds",
        "SET p99": "resp.set_p99_seconds",
    },
}
_USUAL_COLUMNS = 80
_WIDE_COLUMNS = 100
"""The width from which bars are shown."""
_BAR_COLUMNS = 16


@dataclass(frozen=True, slots=True)
class Screen:
    """Draws a watch in the current size of the terminal."""

    watch: Watch
    readings: Readings
    interval_seconds: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        watch, width = self.watch, options.max_width
        look = watch.latest
        rows = allot(
            options.size.height,
            {"plot": 12, "rules": len(look.optimizer.rules), "outcomes": len(look.outcomes)},
        )
        marked = not options.ascii_only
        lines: list[RenderableType] = [
            _title(watch, self.interval_seconds),
            _headline(watch, marked=marked),
            Plot(list(watch.points), [*TIERS], rows["plot"]),
            _time_axis(watch, self.interval_seconds, width),
            _tiers(watch, width),
            Text(),
            *(_protocol(watch, self.readings, name) for name in PROTOCOLS),
            _memory(watch, wide=width >= _WIDE_COLUMNS),
            _hot(watch.latest.hot),
            Text(),
            _rules_heading(look.optimizer),
            _rules(look.optimizer, rows["rules"]),
            Text(),
            _outcomes_heading(look.outcomes),
            _outcomes(look.outcomes[: rows["outcomes"]], self.readings, look.at),
        ]
        yield Group(*(_in_one_line(line) for line in lines))


def allot(height: int, wanted: dict[str, int]) -> dict[str, int]:
    """The rows of each part: first the minimum of each, then one more for each in turn."""
    rows = {name: min(least, wanted[name]) for name, least in _LEAST.items()}
    left = height - _FIXED_LINES - sum(rows.values())
    while left > 0 and rows != wanted:
        for name in ("rules", "outcomes", "plot"):
            if rows[name] < wanted[name] and left > 0:
                rows[name] += 1
                left -= 1
    return rows


def _title(watch: Watch, interval_seconds: float) -> Text:
    title = Text.assemble(("cache-sidecar", "bold"), f"  {watch.address}  ")
    if watch.away is not None and watch.away_since is not None:
        since = figures.day_and_time(watch.away_since)[1]
        why = watch.away.removeprefix(f"{watch.address}").lstrip(": ")
        return title.append(f"down since {since}: {why}", "bold red")
    clock = figures.day_and_time(watch.latest.at)[1]
    return title.append(f"{clock}, every {figures.span(interval_seconds)}; q quits", "dim")


def _headline(watch: Watch, *, marked: bool) -> Text:
    """The hit ratio, and the share of lookups by tier, which is also the plot's legend."""
    growth = watch.growth
    ratio = "-" if growth is None or growth.hit_ratio is None else figures.share(growth.hit_ratio)
    rate = "-" if growth is None else f"{figures.per_second(growth.lookups_per_second)}/s"
    shares = {} if growth is None else growth.shares
    line = Text.assemble("hits ", (f"{ratio:>6}", "bold"), f" of {rate:<8}")
    for name in (*TIERS, "miss"):
        share = figures.share(shares[name]) if name in shares else "-"
        line.append("  ").append("■ " if marked else "", name).append(f"{name} {share:>6}")
    return line


def _time_axis(watch: Watch, interval_seconds: float, width: int) -> Text:
    columns = max(0, min(len(watch.points), width - 5))
    start = f"{figures.span(columns * interval_seconds)} ago" if columns else ""
    if columns < len(start) + 6:
        return Text("now".rjust(width), "dim")
    return Text(" " * (width - columns) + start + "now".rjust(columns - len(start)), "dim")


def _tiers(watch: Watch, width: int) -> Table:
    wide = width >= _WIDE_COLUMNS
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    if width < _USUAL_COLUMNS:
        table.width = _USUAL_COLUMNS  # otherwise every column would shrink
    table.add_column("")
    table.add_column("policy")
    for name in ("entries", "size", "full"):
        table.add_column(name, justify="right")
    if wide:
        table.add_column("", width=_BAR_COLUMNS)
    for name in ("hits/s", "ratio", "evicted/s"):
        table.add_column(name, justify="right", min_width=6)
    for name, tier in watch.latest.stats.tiers.items():
        grown = None if watch.growth is None else watch.growth.tiers.get(name)
        bar = [_bar(tier.fill, name)] if wide else []
        rates = ("-", "-", "-")
        if grown is not None:
            ratio = "-" if grown.hit_ratio is None else figures.share(grown.hit_ratio)
            evicted = figures.per_second(grown.evictions_per_second)
            rates = (figures.per_second(grown.hits_per_second), ratio, evicted)
        table.add_row(
            Text(name, name), state(name, tier, watch.latest.stats), *held(tier), *bar, *rates
        )
    return table


def _protocol(watch: Watch, readings: Readings, name: str) -> Text:
    """Its requests, connections and latencies, or why it has none. An earlier version tells only
    latencies.
    """
    line = Text.assemble((f"{PROTOCOLS[name]:<9}", "dim"))
    its = watch.latest.stats.protocols.get(name)
    if its is not None and not its.listening:
        return line.append("off", "dim") if its.trouble is None else line.append(its.trouble, "red")
    rates = {} if watch.growth is None else watch.growth.requests_per_second
    rate = f"{figures.per_second(rates[name])}/s" if name in rates else "-"
    clients = "-" if its is None else f"{its.connections:,}"
    line.append(f"{rate:<9}clients {clients:<5}")
    for label, signal in _LATENCIES[name].items():
        value = watch.latest.signal(signal)
        shown = "-" if value is None else readings.reading(signal, value)
        line.append(f"  {label} {shown:<7}")
    return line


def _memory(watch: Watch, *, wide: bool) -> RenderableType:
    signal = watch.latest.signal
    used, limit = signal("memory.working_set_bytes"), signal("memory.limit_bytes")
    resident, share = signal("memory.resident_bytes"), signal("memory.utilization")
    line = Text.assemble(("memory   ", "dim"))
    if used is not None and limit is not None and share is not None:
        line.append(f"{figures.size(used)} of {figures.size(limit)}, ")
        line.append(figures.share(share), "bold red" if share > 0.9 else "bold")
    elif used is not None:
        line.append(f"{figures.size(used)}, no limit")
    if resident is not None:
        line.append(f"  resident {figures.size(resident)}", "dim")
    if not wide or share is None:
        return line
    grid = Table.grid("", Column(width=_BAR_COLUMNS), padding=(0, 2, 0, 0))
    grid.add_row(line, _bar(share, "red" if share > 0.9 else "none"))
    return grid


def _hot(keys: list[HotKey]) -> Text:
    """The keys that are read most, as many as fit."""
    line = Text.assemble(("hot keys ", "dim"))
    for each in keys:
        line.append(printable(f"{each.namespace}/{each.key}"))
        line.append(f" {figures.per_second(each.per_second)}/s   ", "dim")
    return line if keys else line.append("-")


def _rules_heading(overview: Overview) -> Text:
    heading = Text.assemble(("Rules", "bold"), f"  level {overview.level}")
    if not overview.enabled:
        return heading.append("; the optimizer is disabled", "yellow")
    if overview.dry_run:
        heading.append(", dry run", "yellow")
    counts = Counter(rule.state for rule in overview.rules)
    said = [f"{counts[name]} {name.replace('_', ' ')}" for name in _URGENCY if counts[name]]
    return heading.append(f"; {', '.join(said)}" if said else "; no rules", "dim")


def _rules(overview: Overview, rows: int) -> Table:
    table = _list_of("rule", "state", "reason")
    for rule in sorted(overview.rules, key=_urgency)[:rows]:
        table.add_row(rule.rule, styled(rule.state), _reason(rule, overview))
    return table


def _urgency(rule: Standing) -> int:
    return _URGENCY.index(rule.state) if rule.state in _URGENCY else -1


def _reason(rule: Standing, overview: Overview) -> Text:
    trial = overview.trial
    if trial is None or trial.rule != rule.rule:
        return Text(rule.reason, "none" if rule.state == "pending" else "dim")
    left = figures.span(round(trial.seconds_left))
    return Text(f"On trial for another {left}: {named(trial.change)}", "cyan")


def _outcomes_heading(outcomes: list[Outcome]) -> Text:
    nothing = "" if outcomes else "  none yet"
    return Text.assemble(("Outcomes", "bold"), (nothing, "dim"))


def _outcomes(outcomes: list[Outcome], readings: Readings, now: float) -> Table:
    table = _list_of("ended", "rule", "outcome", "effect", "change")
    for outcome in outcomes:
        change = Text(change_of(outcome))
        if compared := comparison_of(outcome, readings):
            change.append(f"; {compared}", "dim")
        table.add_row(
            Text(_when(outcome.ended_at, now), "dim"),
            outcome.rule,
            styled(outcome.outcome),
            "-" if outcome.effect_ratio is None else effect(outcome.effect_ratio),
            change,
        )
    return table


def _when(ended_at: float, now: float) -> str:
    """The time of day, or the day if it was another one."""
    day, time = figures.day_and_time(ended_at)
    return time if day == figures.day_and_time(now)[0] else day


def _bar(share: float, style: str) -> ProgressBar:
    full = min(1.0, max(0.0, share))
    return ProgressBar(1.0, full, complete_style=style, finished_style=style, style="bright_black")


def _list_of(*columns: str) -> Table:
    """A table without a heading; the last column gets the remaining width and is cut first."""
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False, expand=True)
    for name in columns:
        table.add_column(name, ratio=1 if name == columns[-1] else None)
    return table


def _in_one_line(line: RenderableType) -> RenderableType:
    """Cut text that is too long instead of wrapping it, since the number of rows is fixed."""
    if isinstance(line, Text):
        line.no_wrap, line.overflow = True, "ellipsis"
    elif isinstance(line, Table):
        for column in line.columns:
            column.no_wrap = True
    return line
