// Polls the sidecar every two seconds and shows its data; while it is unreachable, the latest data.

import { askJson, Gone, Refused } from "./api.js";
import { Configuration } from "./configuration.js";
import { mark, say } from "./dom.js";
import { time } from "./figures.js";
import { Keys } from "./keys.js";
import { Optimizer } from "./optimizer.js";
import { Overview, SIGNALS } from "./overview.js";

const PAUSE_MS = 2000;
const PAUSE_WHILE_GONE_MS = 1000;
const POINTS = 90;

/** The data of each view and its URLs. Only the data of the current view is requested. */
const SHOWN = {
  overview: { stats: "/v1/stats", overview: "/v1/optimizer", chart: () => chartPath(state.course) },
  optimizer: {
    overview: "/v1/optimizer",
    rules: "/v1/optimizer/rules",
    outcomes: "/v1/optimizer/outcomes",
  },
  keys: { hot: "/v1/hot?limit=20" },
  configuration: { config: "/v1/config" },
};

const theme = document.querySelector("#theme");
theme.value = localStorage.getItem("theme") ?? "";
theme.addEventListener("change", applyTheme);
applyTheme();

const part = (name) => document.querySelector(`#${name}`);
const views = {
  overview: new Overview(part("overview-view")),
  optimizer: new Optimizer(part("optimizer-view"), lookNow),
  keys: new Keys(part("keys-view")),
  configuration: new Configuration(part("configuration-view")),
};
const state = { course: emptyCourse() };
let heardAt = null;
let view = "overview";

addEventListener("hashchange", () => {
  chooseView();
  lookOnce();
});
part("span").addEventListener("change", () => {
  state.course = emptyCourse();
  lookOnce();
});
chooseView();
look();

/** Poll; the pause starts after the response, so that a slow sidecar gets no more requests. */
async function look() {
  try {
    await lookOnce();
  } finally {
    setTimeout(look, isGone() ? PAUSE_WHILE_GONE_MS : PAUSE_MS);
  }
}

async function lookOnce() {
  try {
    await hear();
    heardAt = Date.now() / 1000;
    say(part("connection"), "Live");
    mark(part("connection"), "class", "live");
    part("trouble").hidden = true;
    show();
  } catch (error) {
    if (!(error instanceof Gone || error instanceof Refused)) throw error;
    tellTrouble(error);
  }
}

/** Request the data of the view. It is updated only when all of it has arrived. */
async function hear() {
  const { course } = state;
  const wanted = Object.entries(SHOWN[view]);
  const answers = await Promise.all(
    wanted.map(([, path]) => askJson(typeof path === "string" ? path : path())),
  );
  const { chart, rules, outcomes, ...heard } = Object.fromEntries(
    wanted.map(([name], index) => [name, answers[index]]),
  );
  state.now = Date.now() / 1000;
  Object.assign(state, heard, rules, outcomes);
  if (chart !== undefined && course === state.course) extend(course, chart);
}

function chartPath({ ends, step }) {
  return `/v1/signals?names=${SIGNALS.join(",")}&step=${step}&since=${ends.at(-1) ?? 0}`;
}

/**
 * Add the steps that have ended since, and drop those before the span. Times are the sidecar's, so
 * the browser's clock does not matter.
 */
function extend(course, { ends, values }) {
  const to = ends.at(-1) ?? course.to;
  const from = to - course.span;
  const stale = course.ends.filter((end) => end < from).length;
  const known = ends.filter((end) => end <= (course.ends.at(-1) ?? from)).length;
  const joined = (old, more) => [...old.slice(stale), ...more.slice(known)];
  course.ends = joined(course.ends, ends);
  for (const name of SIGNALS) course.values[name] = joined(course.values[name], values[name]);
  Object.assign(course, { from, to });
}

function emptyCourse() {
  const span = Number(part("span").value);
  return {
    span,
    step: span / POINTS,
    from: Date.now() / 1000 - span,
    to: Date.now() / 1000,
    ends: [],
    values: Object.fromEntries(SIGNALS.map((name) => [name, []])),
  };
}

async function lookNow() {
  const { rules } = await askJson("/v1/optimizer/run?dry_run=true", { method: "POST" });
  state.rules = rules;
  show();
  return rules;
}

function isGone() {
  return part("connection").className === "gone";
}

function tellTrouble(error) {
  const since = heardAt === null ? "" : ` The data shown is from ${time(heardAt)}.`;
  const gone = error instanceof Gone;
  say(part("connection"), gone ? "Unreachable" : "Error");
  mark(part("connection"), "class", "gone");
  const what = gone ? "does not answer." : `answers with an error: ${error.message}`;
  say(part("trouble"), `The sidecar ${what}${since} This page retries automatically.`);
  part("trouble").hidden = false;
}

/** The view in the address; an address without one, such as the skip link's, changes nothing. */
function chooseView() {
  const wanted = location.hash.slice(1);
  if (wanted in views) view = wanted;
  for (const each of Object.keys(views)) {
    part(`${each}-view`).hidden = each !== view;
    const link = document.querySelector(`nav a[href="#${each}"]`);
    if (each === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${view[0].toUpperCase()}${view.slice(1)} · cache-sidecar`;
  show();
}

/** Show the view once all of its data has arrived. */
function show() {
  const needed = Object.keys(SHOWN[view]).filter((name) => name !== "chart");
  const heard = needed.every((name) => name in state);
  mark(part("main"), "aria-busy", String(!heard));
  if (heard) views[view].show(state);
}

function applyTheme() {
  localStorage.setItem("theme", theme.value);
  if (theme.value) document.documentElement.dataset.theme = theme.value;
  else delete document.documentElement.dataset.theme;
}
