// The keys that are read most, and how often.

import { h, panel, reconcile, say, table } from "./dom.js";
import { count, visible } from "./figures.js";

export class Hot {
  /** `look` is called with a key, which has a path, and with its button. */
  constructor(look) {
    this.look = look;
    this.note = h("p", { class: "note" });
    this.table = table("Hot keys", [["Namespace"], ["Key"], ["Hits a second", "number"]]);
    this.element = panel("Hot keys", null, this.note, this.table.element);
  }

  /** Show the latest data. */
  show({ keys }) {
    say(
      this.note,
      keys.length ? "Read most in the last minute; an estimate." : "No key is read often now.",
    );
    reconcile(
      this.table.body,
      keys,
      ({ namespace, key }) => `${namespace}/${key}`,
      (found) => this.row(found),
      (row, { per_second }) => say(row.lastElementChild, rate(per_second)),
    );
  }

  row(found) {
    const button = h("button", { type: "button", class: "key" }, visible(found.key));
    button.addEventListener("click", () => this.look(found, button));
    return h(
      "tr",
      {},
      h("td", {}, found.namespace),
      h("th", { scope: "row" }, button),
      h("td", { class: "number" }),
    );
  }
}

function rate(perSecond) {
  if (perSecond < 0.1) return "< 0.1";
  return perSecond >= 10 ? count(Math.round(perSecond)) : perSecond.toFixed(1);
}
