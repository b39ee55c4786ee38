// Changes over time: a lane for each rule, a bar for each change, and the comparison of a change.

import { h, mark, s } from "./dom.js";
import { change, dateTime, difference, figure, shortTime } from "./figures.js";
import { scale, timeTicks } from "./plot.js";

const LANE = 24;
const BAR = 12;
const LEFT = 150;
const BOTTOM = 22;
const LEAST_SPAN = 900;

/** A sign for each outcome, so that none depends on its colour. */
export const SIGNS = {
  improved: "▲",
  regressed: "▼",
  neutral: "●",
  applied: "■",
  failed: "✕",
  interrupted: "‖",
  dry_run: "○",
  running: "◆",
};

/** The timeline; `onChoose` is called with the selected outcome. */
export class Timeline {
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.outcomes = [];
    this.svg = s("svg", { role: "group", "aria-label": "Changes over time, newest last" });
    this.element = h("div", { class: "plot timeline" }, this.svg);
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** `outcomes` are newest first; `trial` is the one in progress, or null. */
  show(outcomes, trial, now) {
    Object.assign(this, { outcomes, trial, now: Math.max(now, outcomes[0]?.ended_at ?? 0) });
    this.draw();
  }

  draw() {
    const width = this.element.clientWidth;
    if (width === 0) return;
    const focused = document.activeElement?.dataset?.key;
    const { outcomes, trial, now } = this;
    const rules = [
      ...new Set([...outcomes, ...(trial ? [trial] : [])].map(({ rule }) => rule)),
    ].sort();
    const height = Math.max(1, rules.length) * LANE + BOTTOM;
    const from = Math.min(now - LEAST_SPAN, outcomes.at(-1)?.started_at ?? now);
    this.x = scale([from, now], [LEFT, width - 10]);
    mark(this.svg, "width", String(width));
    mark(this.svg, "height", String(height));
    const ticks = timeTicks(from, now, (width - LEFT) / 80).filter(
      (tick) => this.x(tick) < width - 20,
    );
    const days = now - from > 86400;
    this.svg.replaceChildren(
      ...ticks.flatMap((tick) => this.tick(tick, height, days)),
      ...rules.flatMap((rule, lane) => this.lane(rule, lane, width)),
      ...[...outcomes].reverse().map((outcome) => this.bar(outcome, rules.indexOf(outcome.rule))),
      ...(trial ? [this.running(trial, rules.indexOf(trial.rule))] : []),
    );
    if (focused !== undefined) this.svg.querySelector(`[data-key="${focused}"]`)?.focus();
  }

  tick(tick, height, days) {
    const x = this.x(tick);
    const text = days ? dateTime(tick).slice(5, 16) : shortTime(tick);
    return [
      s("line", { class: "grid", x1: x, x2: x, y1: 0, y2: height - BOTTOM }),
      s("text", { class: "tick", x, y: height - 6, "text-anchor": "middle" }, text),
    ];
  }

  lane(rule, lane, width) {
    const y = lane * LANE + LANE / 2;
    return [
      s("line", { class: "grid", x1: LEFT, x2: width - 10, y1: y, y2: y }),
      s(
        "text",
        { class: "lane", x: 0, y: y + 4 },
        rule.length > 22 ? `${rule.slice(0, 21)}…` : rule,
      ),
    ];
  }

  bar(outcome, lane) {
    const start = this.x(outcome.started_at);
    const width = Math.max(7, this.x(outcome.ended_at) - start);
    const bar = s(
      "g",
      {
        class: `change ${outcome.outcome}`,
        tabindex: "0",
        role: "button",
        "data-key": keyOf(outcome),
        "aria-label": told(outcome),
      },
      s("title", {}, told(outcome)),
      s("rect", { x: start, y: lane * LANE + (LANE - BAR) / 2, width, height: BAR, rx: 2 }),
    );
    bar.addEventListener("click", () => this.onChoose(outcome));
    bar.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      this.onChoose(outcome);
    });
    return bar;
  }

  running(trial, lane) {
    const start = this.x(trial.started_at);
    return s(
      "g",
      { class: "change running" },
      s("title", {}, `${trial.rule}: on trial since ${dateTime(trial.started_at)}`),
      s("rect", {
        x: start,
        y: lane * LANE + (LANE - BAR) / 2,
        width: Math.max(7, this.x(this.now) - start),
        height: BAR,
        rx: 2,
      }),
    );
  }
}

/** The key of an outcome. */
export function keyOf(outcome) {
  return `${outcome.rule} ${outcome.started_at} ${outcome.ended_at}`;
}

function told(outcome) {
  const knob = outcome.knob === null ? outcome.action : change(outcome);
  const what = outcome.outcome.replace("_", " ");
  return `${outcome.rule}: ${knob}, ${what}, ${dateTime(outcome.ended_at)}`;
}

/**
 * The values before and after on one scale. The band around the value before is noise: a change
 * within it is no difference.
 */
export function comparison({ before, after, noise, outcome, signal }, unit) {
  if (before === null || after === null) return h("span", { class: "muted" }, "not compared");
  const low = Math.min(before - (noise ?? 0), after);
  const high = Math.max(before + (noise ?? 0), after);
  const room = (high - low || Math.abs(before) || 1) * 0.08;
  const x = scale([low - room, high + room], [2, 158]);
  const moves = noise === null ? "unknown" : difference(noise, unit);
  const figures = `before ${figure(before, unit)}, after ${figure(after, unit)}, noise ${moves}`;
  return s(
    "svg",
    {
      class: `comparison ${outcome}`,
      width: 160,
      height: 18,
      role: "img",
      "aria-label": `${signal} ${figures}`,
    },
    noise === null
      ? ""
      : s("rect", {
          class: "noise",
          x: x(before - noise),
          y: 2,
          width: x(before + noise) - x(before - noise),
          height: 14,
          rx: 2,
        }),
    s("line", { class: "way", x1: x(before), x2: x(after), y1: 9, y2: 9 }),
    s("circle", { class: "before", cx: x(before), cy: 9, r: 3.5 }),
    s("circle", { class: "after", cx: x(after), cy: 9, r: 4.5 }),
  );
}
