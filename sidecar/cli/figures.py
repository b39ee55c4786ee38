"""Numbers for display: three digits and a unit, percentages, times of the day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sidecar.model.change import Size, Value
from sidecar.signals.signal import Signals

_WITHOUT_LIMIT = {"default_ttl": "never"}
"""The name of an infinite value, by knob; for other knobs it is unlimited."""


def size(count: float) -> str:
    """Bytes: 512 B, 1.5 MiB."""
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{_digits(count)} {unit}"
        count /= 1024
    return f"{_digits(count)} GiB"


def count(number: int) -> str:
    """A count: up to 999,999, then 1.23 M."""
    if number < 1_000_000:
        return f"{number:,}"
    for unit in ("M", "G"):
        number_of = number / (1e6 if unit == "M" else 1e9)
        if number_of < 1000:
            break
    return f"{_digits(number_of)} {unit}"


def per_second(rate: float) -> str:
    """A rate without its unit: 0.5, 12.3, 1,234."""
    return _digits(rate) if rate < 1_000_000 else count(round(rate))


def span(seconds: float) -> str:
    """A duration: 49 µs, 1.2 ms, 45 s, 2 min 5 s, 1 h."""
    if 0 < seconds < 0.001:
        return f"{_digits(seconds * 1e6)} µs"
    if 0 < seconds < 1:
        return f"{_digits(seconds * 1000)} ms"
    if seconds < 60:
        return f"{_digits(seconds)} s"
    left, parts = round(seconds), []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def day_and_time(seconds: float) -> tuple[str, str]:
    """Seconds since 1970 as the local date and time of day."""
    there = datetime.fromtimestamp(seconds).astimezone()
    return f"{there:%Y-%m-%d}", f"{there:%H:%M:%S}"


def share(ratio: float) -> str:
    """A share as a percentage: 41.2%."""
    return f"{ratio:.1%}"


@dataclass(frozen=True, slots=True)
class Readings:
    """Values of signals in their units; the value of an unknown signal is a plain number."""

    signals: Signals

    def reading(self, signal: str, value: float | None) -> str:
        """A value: 41.2%, 1.5 MiB, 1.2 ms, 12.3/s."""
        if value is None:
            return "no value"
        known = self.signals.get(signal)
        match known and known.unit:
            case "ratio":
                return share(value)
            case "bytes":
                return size(value)
            case "seconds":
                return span(value)
            case "per second":
                return f"{size(value) if 'bytes' in signal else _digits(value)}/s"
        return _digits(value)

    def spread(self, signal: str, noise: float) -> str:
        """A difference of two values; of two shares it is in percentage points."""
        known = self.signals.get(signal)
        if known is not None and known.unit == "ratio":
            return f"{_digits(noise * 100)} points"
        return self.reading(signal, noise)

    def operand(self, text: str, value: float | None) -> str:
        """An operand of a condition, such as `mean(cache.hit_ratio, "5m")`, with its value."""
        function, bracket, inside = text.partition("(")
        plain = inside.partition(",")[0].strip() if bracket else text
        signal = plain.removeprefix("baseline.").removeprefix("target.")
        shown = self.reading(signal, value)
        rate = value is not None and function == "rate"
        return f"{text} = {shown}{' each second' if rate else ''}"


def knob(name: str, value: Value | None) -> str:
    """The value of a knob."""
    match value:
        case None:
            return _WITHOUT_LIMIT.get(name, "unlimited")
        case Size():
            return f"{value.max_entries:,} entries, {size(value.max_bytes)}"
        case str() | bool():
            return str(value)
    if name == "default_ttl" or name.endswith("_seconds"):
        return span(value)
    if name.endswith("_bytes_per_second"):
        return f"{size(value)}/s"
    return share(value) if name == "background.pace" else _digits(value)


def _digits(value: float) -> str:
    """Three significant digits, or all before the decimal point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
