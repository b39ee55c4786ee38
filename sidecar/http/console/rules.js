// Every rule: its state, the reason, and the change that it would make.

import { h, mark, panel, reconcile, say } from "./dom.js";
import { change, figure, span, time } from "./figures.js";

export class Rules {
  constructor(lookNow) {
    this.button = h("button", { type: "button" }, "Evaluate all rules now");
    this.looked = h("span", { class: "note", role: "status" }, "A dry run, which changes nothing.");
    this.button.addEventListener("click", () => this.look(lookNow));
    this.list = h("ul", { class: "rules" });
    this.element = panel("Rules", h("p", { class: "aside" }, this.looked, this.button), this.list);
  }

  async look(lookNow) {
    this.button.disabled = true;
    try {
      const found = await lookNow();
      const ready = found.filter(({ would_fire: fires }) => fires).length;
      say(
        this.looked,
        `Dry run at ${time(Date.now() / 1000)}: ${ready} of ${found.length} rules would fire.`,
      );
    } catch (error) {
      say(this.looked, error.message || "The sidecar is unreachable.");
    } finally {
      this.button.disabled = false;
      this.button.focus();
    }
  }

  show({ rules, overview }) {
    reconcile(
      this.list,
      rules,
      ({ rule }) => rule,
      createRule,
      (item, rule) => update(item, rule, overview),
    );
    if (rules.length === 0) this.list.append(h("li", { class: "muted" }, "No rules."));
  }
}

function createRule({ rule, type }) {
  const [state, why, would] = ["state", "reason", "would"].map((name) => h("p", { class: name }));
  const more = h(
    "details",
    {},
    h("summary", {}, "Condition and details"),
    h("pre", { tabindex: "0" }),
    h("dl", { class: "values" }),
    h("p", { class: "note" }),
  );
  const name = h("h3", {}, rule, h("small", {}, type));
  return h("li", {}, name, state, h("div", { class: "why" }, why, more), would);
}

function update(item, rule, { signals }) {
  const [
    ,
    state,
    {
      children: [why, more],
    },
    would,
  ] = item.children;
  const [, condition, values, terms] = more.children;
  const named = rule.would_fire ? "would fire" : rule.state.replace("_", " ");
  say(state, named);
  mark(state, "class", `state ${rule.would_fire ? "ready" : rule.state}`);
  say(why, rule.reason);
  say(would, wouldDo(rule));
  say(condition, rule.when);
  reconcile(
    values,
    Object.entries(rule.values),
    ([name]) => name,
    ([name]) => h("div", {}, h("dt", {}, name), h("dd")),
    (row, [name, value]) => say(row.lastChild, figure(value, unitOf(signals, name))),
  );
  say(terms, termsOf(rule));
}

/** The change it would make, whatever its condition; or why there is none, if not yet shown. */
function wouldDo({ change: found, no_change: why, reason }) {
  if (found !== null) return `Would ${told(found)}.`;
  return why === reason ? "" : why;
}

function told(found) {
  return found.deed === undefined ? `change ${change(found)}` : change(found);
}

/** The unit of an operand: that of its signal, if it has one. */
function unitOf(signals, text) {
  const found = Object.keys(signals).filter((name) => text.includes(name));
  const longest = found.sort((one, other) => other.length - one.length)[0];
  return text.startsWith("rate(") ? "count" : signals[longest]?.unit;
}

function termsOf({
  action,
  level,
  for_seconds: held,
  cooldown_seconds: cooldown,
  expect,
  guard,
  missing,
  with: options,
}) {
  const given = Object.entries(options).map(
    ([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`,
  );
  const terms = [
    `${action}${given.length ? ` (${given.join(", ")})` : ""}, from level ${level} on`,
    held ? `the condition has to hold for ${span(held)}` : "",
    `cooldown ${span(cooldown)}`,
    expect
      ? `expects ${expect.signal} to be ${expect.better ?? "better"}`
      : "a measure, without an expectation",
    guard ? `guarded by ${guard.signal}` : "",
    missing.length ? `without a value: ${missing.join(", ")}` : "",
  ];
  return `${terms.filter(Boolean).join("; ")}.`;
}
