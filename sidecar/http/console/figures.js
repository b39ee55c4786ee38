// Formats numbers for display. Units are those of the signals in /v1/optimizer.

const NONE = "–";
const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A value of a signal, by its unit. */
export function figure(value, unit) {
  if (value === null || value === undefined) return NONE;
  switch (unit) {
    case "ratio":
      return percent(value);
    case "bytes":
      return bytes(value);
    case "seconds":
      return seconds(value);
    case "per second":
      return `${amount(value)}/s`;
    default:
      return amount(value);
  }
}

export function percent(ratio) {
  return ratio === null ? NONE : `${(ratio * 100).toFixed(1)}%`;
}

/** A difference between two values; that of two ratios is in percentage points. */
export function difference(value, unit) {
  return unit === "ratio" ? `${(value * 100).toFixed(1)} points` : figure(value, unit);
}

export function count(value) {
  return grouped.format(value);
}

function amount(value) {
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return grouped.format(value);
  return Number(value.toPrecision(3)).toString();
}

export function bytes(value) {
  if (value === null) return NONE;
  const power = Math.max(0, Math.min(4, Math.floor(Math.log2(Math.abs(value) || 1) / 10)));
  const scaled = value / 1024 ** power;
  const digits = power === 0 || Math.abs(scaled) >= 100 ? 0 : 1;
  const unit = ["B", "KiB", "MiB", "GiB", "TiB"][power];
  return `${scaled.toFixed(digits).replace(/\.0$/, "")} ${unit}`;
}

/** A short duration, such as that of a request. */
export function seconds(value) {
  if (value === 0) return "0 s";
  if (value < 0.001) return `${Number((value * 1e6).toPrecision(3))} µs`;
  if (value < 1) return `${Number((value * 1e3).toPrecision(3))} ms`;
  return span(value);
}

/** A duration, in at most two units. */
export function span(value) {
  if (value === null) return "never";
  const whole = Math.round(value);
  if (value < 60) return `${Number(value.toPrecision(3))} s`;
  const [large, small, size] =
    whole < 3600 ? ["min", "s", 60] : whole < 86400 ? ["h", "min", 3600] : ["d", "h", 86400];
  const rest = Math.floor((whole % size) / { s: 1, min: 60, h: 3600 }[small]);
  return `${Math.floor(whole / size)} ${large}${rest ? ` ${rest} ${small}` : ""}`;
}

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const shortClock = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });
const date = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" });

/** Seconds since 1970 as the local time of day. */
export function time(at) {
  return clock.format(at * 1000);
}

/** The same, without seconds if they are zero. */
export function shortTime(at) {
  return (at % 60 ? clock : shortClock).format(at * 1000);
}

/** With its date. */
export function dateTime(at) {
  return date.format(at * 1000);
}

/** The value of a knob; null is no limit. */
export function knobValue(value) {
  if (value === null || value === undefined) return "unlimited";
  if (typeof value === "object")
    return `${count(value.max_entries)} entries, ${bytes(value.max_bytes)}`;
  return typeof value === "number" ? amount(value) : String(value);
}

/** A change: a knob that is turned, or a one-shot change. */
export function change({ knob, deed, from, to }) {
  return deed === undefined ? `${knob} from ${knobValue(from)} to ${knobValue(to)}` : `do ${deed}`;
}

/** Text with visible escapes for characters that would move or hide other text, as keys may. */
export function visible(text) {
  return text
    .replace(/[\0-\x1f]/g, (found) => String.fromCodePoint(0x2400 + found.codePointAt(0)))
    .replace(
      /[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
      (found) => `⟨U+${found.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`,
    );
}
