// The document in force, the last one rejected, and the values in force.

import { h, mark, panel, reconcile, say, table } from "./dom.js";
import { dateTime, knobValue } from "./figures.js";

export class Configuration {
  constructor(root) {
    this.terms = Object.fromEntries(
      ["Revision", "Source", "In force since"].map((name) => [name, h("dd")]),
    );
    this.errors = h("ul", { class: "errors" });
    this.refusedAt = h("p", { class: "note" });
    this.rejected = panel(
      "The last document was rejected",
      this.refusedAt,
      h("p", {}, "The previous document stays in force."),
      this.errors,
    );
    this.rejected.classList.add("alarm");
    this.rejected.hidden = true;
    this.files = h("div", { class: "files" });
    this.knobs = table("Values in force", [["Knob"], ["Configured"], ["In force"], ["Meaning"]]);
    root.append(
      this.rejected,
      panel(
        "Document in force",
        null,
        h(
          "dl",
          { class: "terms" },
          ...Object.entries(this.terms).map(([name, value]) =>
            h("div", {}, h("dt", {}, name), value),
          ),
        ),
        this.files,
      ),
      panel(
        "Values in force",
        h("p", { class: "note" }, "Values changed by the optimizer are highlighted."),
        this.knobs.element,
      ),
    );
  }

  /** Show the latest data. */
  show({ config }) {
    const { revision, source, applied_at: appliedAt, document, rejected, knobs } = config;
    say(this.terms.Revision, revision.slice(0, 12));
    mark(this.terms.Revision, "title", revision);
    say(this.terms.Source, source);
    say(this.terms["In force since"], dateTime(appliedAt));
    this.rejected.hidden = rejected === null;
    if (rejected !== null) {
      say(this.refusedAt, dateTime(rejected.at));
      reconcile(
        this.errors,
        rejected.errors,
        (error) => error,
        (error) => h("li", {}, error),
      );
    }
    this.showFiles(Object.entries(document));
    reconcile(
      this.knobs.body,
      Object.entries(knobs),
      ([name]) => name,
      ([name, { meaning }]) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, name),
          h("td"),
          h("td"),
          h("td", { class: "wide muted" }, meaning),
        ),
      (row, [, { configured, effective }]) => {
        say(row.children[1], knobValue(configured));
        say(row.children[2], knobValue(effective));
        row.classList.toggle("turned", JSON.stringify(configured) !== JSON.stringify(effective));
      },
    );
  }

  showFiles(files) {
    reconcile(
      this.files,
      files,
      ([name]) => name,
      ([name]) =>
        h("section", {}, h("h3", {}, name), h("pre", { tabindex: "0", "aria-label": name })),
      (section, [, text]) => say(section.lastChild, text),
    );
    if (files.length === 0)
      this.files.append(h("p", { class: "muted" }, "No document: the defaults are in force."));
  }
}
