// The optimizer's changes, their outcomes, its rules and signals.

import { h, mark, panel, reconcile, say, table } from "./dom.js";
import {
  change,
  count,
  dateTime,
  difference,
  figure,
  knobValue,
  percent,
  span,
  time,
} from "./figures.js";
import { Rules } from "./rules.js";
import { comparison, keyOf, SIGNS, Timeline } from "./timeline.js";

const FIRST_OUTCOMES = 15;

export class Optimizer {
  constructor(root, lookNow) {
    this.shownOutcomes = FIRST_OUTCOMES;
    this.state = null;
    this.summary = h("p", { class: "lead" });
    this.trial = h("p", { class: "trial" });
    this.timeline = new Timeline((outcome) => this.pointOut(outcome));
    this.outcomes = table("Changes, newest first", [
      ["Ended"],
      ["Rule"],
      ["Outcome"],
      ["Change"],
      ["Before and after"],
      ["Compared to noise"],
      ["Why"],
    ]);
    this.more = h("button", { type: "button", hidden: true });
    this.more.addEventListener("click", () => {
      this.shownOutcomes = Infinity;
      this.showOutcomes();
    });
    this.rules = new Rules(lookNow);
    this.aims = table("Signals with a baseline or a target", [
      ["Signal"],
      ["Now", "number"],
      ["Baseline", "number"],
      ["Target", "number"],
      ["Better"],
    ]);
    this.knobs = table("Knobs with a value other than configured", [
      ["Knob"],
      ["Configured"],
      ["In force"],
    ]);
    this.signals = table("All signals", [["Signal"], ["Now", "number"], ["Meaning"]]);
    root.append(
      panel(
        "Changes over time",
        this.summary,
        this.trial,
        this.timeline.element,
        legend(),
        this.outcomes.element,
        this.more,
      ),
      this.rules.element,
      h(
        "div",
        { class: "pair" },
        panel("Baselines and targets", null, this.aims.element),
        panel(
          "Changed knobs",
          h("p", { class: "note" }, "Knobs with a value other than configured."),
          this.knobs.element,
        ),
      ),
      panel(
        "Signals",
        null,
        h(
          "details",
          {},
          h("summary", {}, "All signals and their meaning"),
          this.signals.element,
        ),
      ),
    );
  }

  /** Show the latest data. */
  show(state) {
    this.state = state;
    const { overview, outcomes, now } = state;
    say(this.summary, told(overview));
    say(this.trial, overview.trial === null ? "No change is on trial." : onTrial(overview));
    mark(this.trial, "class", overview.trial === null ? "trial muted" : "trial");
    this.timeline.show(outcomes, overview.trial, now);
    this.showOutcomes();
    this.rules.show(state);
    this.showSignals(overview);
  }

  showOutcomes() {
    const { outcomes, overview } = this.state;
    const shown = outcomes.slice(0, this.shownOutcomes);
    reconcile(this.outcomes.body, shown, keyOf, (outcome) =>
      outcomeRow(outcome, unitOf(overview, outcome.signal)),
    );
    if (outcomes.length === 0) this.outcomes.body.append(empty(7, "No changes yet."));
    this.more.hidden = shown.length === outcomes.length;
    say(this.more, `Show all ${count(outcomes.length)}`);
  }

  showSignals({ signals, knobs }) {
    const named = Object.entries(signals).map(([name, signal]) => ({ name, ...signal }));
    const aimed = named.filter(({ baseline, target }) => baseline !== null || target !== null);
    reconcile(
      this.aims.body,
      aimed,
      ({ name }) => name,
      () => cells(5, [1, 2, 3]),
      (row, { name, value, baseline, target, better, unit }) => {
        fillRow(row, [
          name,
          figure(value, unit),
          figure(baseline, unit),
          figure(target, unit),
          better ?? "–",
        ]);
        mark(row.children[1], "class", `number ${standing(value, target, better)}`);
      },
    );
    reconcile(
      this.signals.body,
      named,
      ({ name }) => name,
      () => cells(3, [1]),
      (row, { name, value, unit, meaning }) => {
        fillRow(row, [name, figure(value, unit), meaning]);
      },
    );
    const turned = Object.entries(knobs).filter(
      ([, knob]) => JSON.stringify(knob.configured) !== JSON.stringify(knob.effective),
    );
    reconcile(
      this.knobs.body,
      turned,
      ([name]) => name,
      () => cells(3, []),
      (row, [name, knob]) => {
        fillRow(row, [name, knobValue(knob.configured), knobValue(knob.effective)]);
        mark(row, "title", knob.meaning);
      },
    );
    if (turned.length === 0)
      this.knobs.body.append(empty(3, "Every knob has its configured value."));
  }

  pointOut(outcome) {
    this.shownOutcomes = Infinity;
    this.showOutcomes();
    const key = keyOf(outcome);
    for (const row of this.outcomes.body.children)
      row.classList.toggle("chosen", row.dataset.key === key);
    const row = [...this.outcomes.body.children].find(({ dataset }) => dataset.key === key);
    row?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
  }
}

function told({ enabled, dry_run: dryRun, level, interval_seconds: interval, ticks }) {
  if (!enabled) return "Disabled: it changes nothing.";
  const manner = dryRun ? "in a dry run, it changes nothing; " : "";
  const looks = `evaluates its rules every ${span(interval)}, ${count(ticks)} times so far`;
  return `On, ${manner}level ${level}; ${looks}.`;
}

function onTrial({ trial, signals }) {
  const unit = signals[trial.signal]?.unit;
  const before =
    trial.before === null ? "" : ` ${trial.signal} was ${figure(trial.before, unit)} before.`;
  const noise = trial.noise === null ? "" : ` Noise is ${difference(trial.noise, unit)}.`;
  const left = ` It is judged in ${span(Math.ceil(trial.seconds_left))}.`;
  return `${SIGNS.running} On trial: ${trial.rule}, ${change(trial.change)}.${before}${noise}${left}`;
}

function unitOf({ signals }, name) {
  return signals[name]?.unit;
}

function outcomeRow(outcome, unit) {
  const { before, after, effect_ratio: effect, knob, action } = outcome;
  const told =
    effect === null
      ? ""
      : effect === 0
        ? "no effect"
        : `${percent(Math.abs(effect))} ${effect < 0 ? "worse" : "better"}`;
  return h(
    "tr",
    { tabindex: "-1" },
    h("td", {}, time(outcome.ended_at), h("small", {}, dateTime(outcome.ended_at).slice(0, 10))),
    h("th", { scope: "row" }, outcome.rule),
    h(
      "td",
      {},
      h(
        "span",
        { class: `verdict ${outcome.outcome}` },
        `${SIGNS[outcome.outcome] ?? ""} ${outcome.outcome.replace("_", " ")}`,
      ),
      h("small", {}, told),
    ),
    h("td", { class: "wide" }, knob === null ? action : change(outcome)),
    h(
      "td",
      {},
      before === null ? "–" : `${figure(before, unit)} → ${figure(after, unit)}`,
      h("small", {}, outcome.signal ?? ""),
    ),
    h("td", {}, comparison(outcome, unit)),
    h("td", { class: "wide" }, outcome.reason),
  );
}

function legend() {
  const names = Object.keys(SIGNS).map((name) =>
    h(
      "li",
      {},
      h(
        "span",
        { class: `verdict ${name}` },
        `${SIGNS[name]} ${name === "running" ? "on trial" : name.replace("_", " ")}`,
      ),
    ),
  );
  return h("ul", { class: "legend signs", "aria-label": "Outcomes" }, ...names);
}

function standing(value, target, better) {
  if (value === null || target === null || better === null) return "";
  return (better === "higher" ? value >= target : value <= target) ? "good" : "bad";
}

function cells(columns, numbers) {
  const rest = Array.from({ length: columns - 1 }, (_, index) =>
    h("td", { class: numbers.includes(index + 1) ? "number" : null }),
  );
  return h("tr", {}, h("th", { scope: "row" }), ...rest);
}

function fillRow(row, texts) {
  texts.forEach((text, index) => {
    say(row.children[index], text);
  });
}

/** The placeholder row of an empty table. It has no key, so the next `reconcile` removes it. */
function empty(columns, text) {
  return h("tr", {}, h("td", { colspan: columns, class: "muted" }, text));
}
