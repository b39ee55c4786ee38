// Charts over time: lines or stacked areas in SVG, a legend with the values under the cursor, and
// the same data as a table. The cursor follows the pointer and the arrow keys.

import { h, mark, reconcile, s, say, table } from "./dom.js";
import { figure, shortTime, time } from "./figures.js";
import { area, axis, line, logAxis, runs, scale, timeTicks } from "./plot.js";

const HEIGHT = 168;
const EDGE = { left: 58, right: 6, top: 8, bottom: 20 };
const WORTH_ITS_ROOM = 3;

/**
 * A chart. Each of `series` has the `name` of its signal, a `label` and a `look`: the class of its
 * colour. A `limit` is drawn only if that leaves room for the other series.
 */
export class Chart {
  constructor({ title, unit, series, stacked = false, logarithmic = false, note }) {
    Object.assign(this, { title, unit, series, stacked, logarithmic });
    this.course = { ends: [], values: {}, step: 1, from: 0, to: 1 };
    this.cursor = null;
    this.at = h("p", { class: "at" });
    this.readings = series.map(() => h("b"));
    const legend = series.map(({ label, look }, index) =>
      h(
        "li",
        {},
        h("i", { class: `swatch ${look}`, "aria-hidden": "true" }),
        label,
        this.readings[index],
      ),
    );
    this.svg = s("svg", { height: HEIGHT, "aria-hidden": "true" });
    this.plot = h("div", { class: "plot", tabindex: "0", role: "img" }, this.svg);
    this.spoken = h("p", { class: "unseen", "aria-live": "polite" });
    this.rows = h("details", {}, h("summary", {}, "As a table"));
    this.element = h(
      "figure",
      { class: "panel chart" },
      h("div", { class: "head" }, h("h2", {}, title), this.at),
      h("ul", { class: "legend" }, ...legend),
      this.plot,
      this.spoken,
      h("div", { class: "foot" }, h("p", { class: "note" }, note), this.rows),
    );
    this.listen();
  }

  listen() {
    new ResizeObserver(() => this.draw()).observe(this.plot);
    this.rows.addEventListener("toggle", () => this.fillTable());
    this.plot.addEventListener("pointermove", (event) => this.pointTo(event.offsetX));
    this.plot.addEventListener("pointerleave", () => this.moveTo(null));
    this.plot.addEventListener("blur", () => this.moveTo(null));
    this.plot.addEventListener("keydown", (event) => {
      const last = this.course.ends.length - 1;
      const from = this.cursor ?? last + 1;
      const steps = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last };
      if (!(event.key in steps) || last < 0) return;
      event.preventDefault();
      this.moveTo(Math.max(0, Math.min(last, steps[event.key])));
      say(this.spoken, `${this.at.textContent}: ${this.summary()}`);
    });
  }

  /** Show new data of the signals: steps that end at `ends`, between `from` and `to`. */
  show(course) {
    const at = this.course.ends[this.cursor];
    this.course = course;
    const index = course.ends.indexOf(at);
    this.cursor = index < 0 ? null : index;
    this.draw();
    if (this.rows.open) this.fillTable();
  }

  pointTo(offset) {
    const { ends } = this.course;
    if (ends.length === 0) return;
    const distances = ends.map((end) => Math.abs(this.x(end) - offset));
    this.moveTo(distances.indexOf(Math.min(...distances)));
  }

  moveTo(index) {
    this.cursor = index;
    this.read();
    this.drawCursor();
  }

  value(name, index) {
    return this.course.values[name]?.[index] ?? null;
  }

  /** The legend shows the values under the cursor, or else the latest. */
  read() {
    const { ends } = this.course;
    const index = this.cursor ?? ends.length - 1;
    this.series.forEach(({ name }, each) => {
      say(this.readings[each], figure(this.value(name, index), this.unit));
    });
    say(this.at, ends.length === 0 ? "" : time(ends[index]));
    mark(this.at, "class", this.cursor === null ? "at" : "at pointed");
    mark(
      this.plot,
      "aria-label",
      `${this.title}, a chart. ${this.summary()}. Arrow keys read earlier values.`,
    );
  }

  summary() {
    return this.series
      .map(({ label }, index) => `${label} ${this.readings[index].textContent}`)
      .join(", ");
  }

  draw() {
    const width = this.plot.clientWidth;
    if (width === 0) return;
    const { from, to, ends } = this.course;
    this.svg.setAttribute("width", width);
    this.x = scale([from, to], [EDGE.left, width - EDGE.right]);
    const ticks = this.scaleValues();
    this.line = s("line", { class: "cursor", y1: EDGE.top, y2: HEIGHT - EDGE.bottom });
    this.svg.replaceChildren(
      ...(ends.length === 0 ? [] : ticks.flatMap((tick) => this.valueTick(tick, width))),
      ...timeTicks(from, to, width / 80).flatMap((tick) => this.timeTick(tick, width)),
      ...(this.stacked ? this.areas() : this.lines()),
      this.line,
      ends.length === 0
        ? s(
            "text",
            { class: "empty", x: width / 2, y: HEIGHT / 2 },
            "The first values appear within 20 seconds",
          )
        : "",
    );
    this.read();
    this.drawCursor();
  }

  /** Lay out the value axis; returns its ticks. */
  scaleValues() {
    const pixels = [HEIGHT - EDGE.bottom, EDGE.top];
    if (this.logarithmic) {
      const known = this.series
        .flatMap(({ name }) => this.course.values[name] ?? [])
        .filter((value) => value > 0);
      const { low, high, ticks } = logAxis(Math.min(...known, 0.001), Math.max(...known, 0.001));
      const y = scale([low, high], pixels);
      this.y = (value) => y(Math.log10(Math.max(value, 10 ** low)));
      return ticks;
    }
    const { top, ticks } = axis(this.most(), this.unit);
    this.y = scale([0, top], pixels);
    return ticks;
  }

  most() {
    const { ends } = this.course;
    const drawn = this.series.filter(({ limit }) => !limit);
    const tops = ends.map((_, index) => {
      const values = drawn.map(({ name }) => this.value(name, index) ?? 0);
      return this.stacked ? values.reduce((sum, value) => sum + value, 0) : Math.max(...values);
    });
    const most = Math.max(0, ...tops);
    const limits = this.series
      .filter(({ limit }) => limit)
      .map(({ name }) => this.value(name, ends.length - 1) ?? 0);
    return Math.max(most, ...limits.filter((limit) => limit <= WORTH_ITS_ROOM * most));
  }

  valueTick(tick, width) {
    const y = this.y(tick);
    return [
      s("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y, y2: y }),
      s(
        "text",
        { class: "tick", x: EDGE.left - 6, y: y + 3.5, "text-anchor": "end" },
        figure(tick, this.unit).replace(".0%", "%"),
      ),
    ];
  }

  timeTick(tick, width) {
    const x = this.x(tick);
    if (x < EDGE.left + 12 || x > width - 16) return [];
    return [
      s("text", { class: "tick", x, y: HEIGHT - 4, "text-anchor": "middle" }, shortTime(tick)),
    ];
  }

  lines() {
    const { ends, step } = this.course;
    return this.series.flatMap(({ name, look, limit }) => {
      if (limit && this.y(this.value(name, ends.length - 1)) < 0) return [];
      return runs(ends, step, (index) => this.value(name, index) !== null).map((run) => {
        const points = run.map((index) => [this.x(ends[index]), this.y(this.value(name, index))]);
        return s("path", { class: `line ${look}`, d: line(points) });
      });
    });
  }

  areas() {
    const { ends, step } = this.course;
    const known = (index) => this.series.some(({ name }) => this.value(name, index) !== null);
    const floor = ends.map(() => 0);
    return this.series.flatMap(({ name, look }) => {
      const below = [...floor];
      ends.forEach((_, index) => {
        floor[index] += this.value(name, index) ?? 0;
      });
      const points = (heights, run) =>
        run.map((index) => [this.x(ends[index]), this.y(heights[index])]);
      return runs(ends, step, known).map((run) =>
        s("path", { class: `area ${look}`, d: area(points(floor, run), points(below, run)) }),
      );
    });
  }

  drawCursor() {
    if (this.line === undefined) return;
    mark(this.line, "visibility", this.cursor === null ? "hidden" : "visible");
    if (this.cursor === null) return;
    const x = this.x(this.course.ends[this.cursor]);
    this.line.setAttribute("x1", x);
    this.line.setAttribute("x2", x);
  }

  /** Newest first. */
  fillTable() {
    if (!this.rows.open) return this.table?.element.remove();
    if (!this.table?.element.isConnected) {
      this.table = table(this.title, [
        ["time"],
        ...this.series.map(({ label }) => [label, "number"]),
      ]);
      this.rows.append(this.table.element);
    }
    const { ends } = this.course;
    const newestFirst = ends.map((_, index) => index).reverse();
    reconcile(
      this.table.body,
      newestFirst,
      (index) => ends[index],
      (index) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, time(ends[index])),
          ...this.series.map(({ name }) =>
            h("td", { class: "number" }, figure(this.value(name, index), this.unit)),
          ),
        ),
    );
  }
}
