// The first view: hit ratio, lookups by tier, latency and memory.

import { Chart } from "./charts.js";
import { h, mark, panel, say, table } from "./dom.js";
import { bytes, count, figure, percent, span } from "./figures.js";

const TIERS = ["l1", "l2", "l3"];

const CHARTS = [
  {
    title: "Hit ratio by tier",
    unit: "ratio",
    note: "Share of the lookups that reached a tier.",
    series: [
      { name: "cache.hit_ratio", label: "All", look: "ink" },
      ...TIERS.map((tier) => ({
        name: `cache.${tier}.hit_ratio`,
        label: tier.toUpperCase(),
        look: tier,
      })),
    ],
  },
  {
    title: "Lookups by tier",
    unit: "per second",
    stacked: true,
    note: "Lookups per second.",
    series: [
      ...TIERS.map((tier) => ({
        name: `cache.${tier}.hits_per_second`,
        label: tier.toUpperCase(),
        look: tier,
      })),
      { name: "cache.misses_per_second", label: "Miss", look: "miss" },
    ],
  },
  {
    title: "Latency",
    unit: "seconds",
    logarithmic: true,
    note: "From the parsed request to its response, on a logarithmic scale.",
    series: [
      { name: "http.get_p99_seconds", label: "HTTP GET p99", look: "ink" },
      { name: "http.get_p50_seconds", label: "HTTP GET p50", look: "pale" },
      { name: "http.put_p99_seconds", label: "HTTP PUT p99", look: "plum" },
      { name: "resp.get_p99_seconds", label: "Redis GET p99", look: "sky" },
      { name: "resp.set_p99_seconds", label: "Redis SET p99", look: "rust" },
    ],
  },
  {
    title: "Memory",
    unit: "bytes",
    note: "The working set is that of the container, as counted by the kubelet.",
    series: [
      { name: "memory.working_set_bytes", label: "Working set", look: "ink" },
      { name: "memory.resident_bytes", label: "Resident", look: "plum" },
      { name: "memory.limit_bytes", label: "Limit", look: "limit", limit: true },
    ],
  },
];

/** The signals in the charts. */
export const SIGNALS = CHARTS.flatMap(({ series }) => series.map(({ name }) => name));

const TILES = {
  "Hit ratio": ({ stats, overview }) => [
    signal(overview, "cache.hit_ratio"),
    `${percent(stats.hit_ratio)} since the start`,
  ],
  Reads: ({ course, overview }) => [
    reads(course),
    plural(overview.signals["network.connections"].value ?? 0, "connection"),
  ],
  Requests: ({ stats, overview }) => [
    signal(overview, "network.requests_per_second"),
    byProtocol(stats, overview),
  ],
  "GET p99": ({ overview }) => [
    signal(overview, "network.get_p99_seconds"),
    `HTTP ${signal(overview, "http.get_p99_seconds")}, Redis ${signal(overview, "resp.get_p99_seconds")}`,
  ],
  Memory: ({ overview }) => [signal(overview, "memory.working_set_bytes"), limit(overview)],
  L3: ({ stats }) => [
    stats.tiers.l3.enabled ? stats.l3.state : "off",
    `${bytes(stats.l3.folder_bytes)} on disk`,
  ],
  Optimizer: ({ overview }) => [
    overview.enabled ? (overview.trial ? "on trial" : "watching") : "off",
    overview.trial
      ? `${overview.trial.rule}, ${span(overview.trial.seconds_left)} left`
      : `level ${overview.level}`,
  ],
};

const COLUMNS = [
  ["Tier"],
  ["Policy"],
  ["Entries", "number"],
  ["", "fill"],
  ["Bytes", "number"],
  ["", "fill"],
  ["Hits", "number"],
  ["Misses", "number"],
  ["Hit ratio", "number"],
  ["Evicted", "number"],
  ["Expired", "number"],
  ["Promoted", "number"],
  ["Demoted", "number"],
];

function signal(overview, name) {
  const { value, unit } = overview.signals[name];
  return figure(value, unit);
}

/** Lookups per second over the latest step. */
function reads({ values }) {
  const newest = CHARTS[1].series.map(({ name }) => values[name].at(-1) ?? null);
  if (newest.includes(null)) return "–";
  return `${count(newest.reduce((sum, value) => sum + value, 0))}/s`;
}

/** Requests per second of each protocol, or why the Redis protocol has none. */
function byProtocol({ protocols }, { signals }) {
  if (protocols.resp.trouble !== null) return "Redis: the port is taken";
  const all = signals["network.requests_per_second"].value;
  const redis = signals["resp.requests_per_second"].value;
  const http = all === null || redis === null ? null : Math.max(0, all - redis);
  const shown = protocols.resp.listening ? figure(redis, "per second") : "off";
  return `HTTP ${figure(http, "per second")}, Redis ${shown}`;
}

function plural(value, thing) {
  return `${count(value)} ${thing}${value === 1 ? "" : "s"}`;
}

function limit({ signals }) {
  const { value } = signals["memory.utilization"];
  if (value === null) return `${figure(signals["memory.resident_bytes"].value, "bytes")} resident`;
  return `${percent(value)} of ${figure(signals["memory.limit_bytes"].value, "bytes")}`;
}

export class Overview {
  constructor(root) {
    this.tiles = Object.entries(TILES).map(([name, read]) => ({
      read,
      value: h("dd", { class: "value" }),
      note: h("dd", { class: "note" }),
      name,
    }));
    this.charts = CHARTS.map((chart) => new Chart(chart));
    this.tiers = table("Tiers, since the start of the sidecar", COLUMNS);
    this.rows = TIERS.map((tier) => tierRow(tier));
    this.tiers.body.append(...this.rows.map(({ element }) => element));
    root.append(
      h(
        "dl",
        { class: "tiles" },
        ...this.tiles.map(({ name, value, note }) =>
          h("div", { class: "tile" }, h("dt", {}, name), value, note),
        ),
      ),
      h("div", { class: "charts" }, ...this.charts.map(({ element }) => element)),
      panel(
        "Tiers",
        h("p", { class: "note" }, "Counted since the start of the sidecar."),
        this.tiers.element,
      ),
    );
  }

  /** Show the latest data. */
  show(state) {
    for (const { read, value, note } of this.tiles) {
      const [text, beside] = read(state);
      say(value, text);
      say(note, beside);
    }
    for (const chart of this.charts) chart.show(state.course);
    this.rows.forEach(({ update }, index) => {
      update(state.stats.tiers[TIERS[index]]);
    });
  }
}

function tierRow(tier) {
  const cells = COLUMNS.slice(1).map(([, kind]) => h("td", { class: kind ?? null }));
  const fills = [cells[2], cells[4]].map((cell) => {
    const part = h("i", { class: tier });
    cell.append(h("div", { class: "bar", "aria-hidden": "true" }, part));
    return part;
  });
  const element = h(
    "tr",
    {},
    h(
      "th",
      { scope: "row" },
      h("i", { class: `swatch ${tier}`, "aria-hidden": "true" }),
      tier.toUpperCase(),
    ),
    ...cells,
  );
  const update = (state) => {
    const lookups = state.hits + state.misses + state.expired;
    const shown = [
      state.enabled ? state.policy : "off",
      `${count(state.entries)} of ${count(state.max_entries)}`,
      null,
      `${bytes(state.used_bytes)} of ${bytes(state.max_bytes)}`,
      null,
      count(state.hits),
      count(state.misses),
      lookups ? percent(state.hits / lookups) : "–",
      count(state.evictions),
      count(state.expirations),
      count(state.promotions),
      count(state.demotions),
    ];
    shown.forEach((text, index) => {
      if (text !== null) say(cells[index], text);
    });
    [state.entries / state.max_entries, state.used_bytes / state.max_bytes].forEach(
      (share, index) => {
        fills[index].style.width = `${Math.min(100, share * 100).toFixed(1)}%`;
      },
    );
    mark(element, "class", state.enabled ? "" : "muted");
  };
  return { element, update };
}
