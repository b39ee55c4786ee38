// Scales, ticks and paths: converts numbers to coordinates and back, without the DOM.

/** A linear scale from a domain to pixels. */
export function scale([low, high], [start, end]) {
  const factor = (end - start) / (high - low || 1);
  return (value) => start + (value - low) * factor;
}

/** The top of an axis from 0, and its ticks at round numbers of `unit`. */
export function axis(most, unit, wanted = 4) {
  if (unit === "ratio" && most > 0.5) return { top: 1, ticks: [0, 0.25, 0.5, 0.75, 1] };
  const rough = (most || 1) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step =
    unit === "bytes"
      ? 2 ** Math.ceil(Math.log2(rough))
      : [1, 2, 2.5, 5, 10].find((each) => each * power >= rough) * power;
  const count = Math.ceil((most || 1) / step - 1e-9);
  return {
    top: count * step,
    ticks: Array.from({ length: count + 1 }, (_, index) => index * step),
  };
}

/** The same for a logarithmic axis: whole powers of ten around all values. */
export function logAxis(least, most) {
  const low = Math.floor(Math.log10(least));
  const high = Math.max(low + 1, Math.ceil(Math.log10(most)));
  return {
    low,
    high,
    ticks: Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)),
  };
}

const SPANS = [1, 5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];

/** The times at which an axis has a label, at most `most` of them. */
export function timeTicks(from, to, most) {
  const step =
    SPANS.find((each) => (to - from) / each <= most) ??
    Math.ceil((to - from) / most / 86400) * 86400;
  const zone = new Date(from * 1000).getTimezoneOffset() * 60;
  const first = Math.ceil((from - zone) / step) * step + zone;
  const ticks = [];
  for (let at = first; at <= to; at += step) ticks.push(at);
  return ticks;
}

/** Runs of indices without a gap, which is a missing value or step. */
export function runs(ends, step, isThere) {
  const found = [];
  ends.forEach((end, index) => {
    if (!isThere(index)) return;
    const before = found.at(-1);
    if (before !== undefined && before.at(-1) === index - 1 && end - ends[index - 1] <= step)
      before.push(index);
    else found.push([index]);
  });
  return found;
}

/** A line through points; a single point is a dot, by the line's round cap. */
export function line(points) {
  const text = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`);
  return `M${text[0]}${text.length === 1 ? "h.01" : `L${text.slice(1).join(" ")}`}`;
}

/** The area between two lines over the same points. */
export function area(upper, lower) {
  return `${line(upper)}L${[...lower]
    .reverse()
    .map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`)
    .join(" ")}Z`;
}
